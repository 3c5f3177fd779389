//! Why a container could not be started.

use std::io;
use std::path::PathBuf;

use bacalhau_protocol::spec::InvalidParams;

use crate::executor::StartError;

/// What was wrong with a task, or with this node, before its program ran.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine parameters do not parse.
    #[error(transparent)]
    Params(#[from] InvalidParams),
    /// The engine is not there; with what is known about it.
    #[error("{0}")]
    Engine(String),
    /// The image.
    #[error("{message}")]
    Image {
        /// What is wrong, for people.
        message: String,
        /// For programs: `Docker:` and a word.
        code: &'static str,
        /// What they may try.
        hint: String,
    },
    /// The engine refused to make or to start the container.
    #[error("{message}")]
    Container {
        /// In plain words, with the engine's own.
        message: String,
        /// The task would fail on any node.
        is_tasks_fault: bool,
    },
    /// The way out of a task with HTTP networking cannot be opened; with the reason.
    #[error("HTTP networking is not available on this node: {0}")]
    Relay(String),
    /// What a container made is out of the agent's reach; with the reason.
    #[error("files that a container made cannot be reclaimed: {0}")]
    Reclaim(String),
    /// GPUs that are not to be had.
    #[error("the task wants {wanted} GPUs and {free} of this node's are free")]
    Gpus {
        /// By the task.
        wanted: u64,
        /// Now.
        free: usize,
    },
    /// An input that comes with the job cannot be made a file.
    #[error("make the input file {path}", path = path.display())]
    Input {
        /// On the node.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An output directory cannot be opened to the container's user.
    #[error("prepare the output directory {path}", path = path.display())]
    OutputDirectory {
        /// On the node.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The files for the output cannot be opened.
    #[error("open the output files in {path}", path = path.display())]
    Output {
        /// The results directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// What the engine said to the request for a container, in plain words.
    pub(super) fn container(doing: &'static str, error: &bollard::errors::Error) -> Self {
        let said = said(error);
        let Some((plain, is_tasks_fault)) = explain(&said) else {
            return Self::Container { message: format!("{doing}: {said}"), is_tasks_fault: false };
        };
        Self::Container { message: format!("{doing}: {plain} (the engine said: {said})"), is_tasks_fault }
    }
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        match error {
            Error::Image { code, ref hint, .. } => {
                let hint = hint.clone();
                Self::Scan { error: Box::new(error), code, hint }
            }
            Error::Params(_) => Self::Task(Box::new(error)),
            Error::Container { is_tasks_fault: true, .. } => Self::Task(Box::new(error)),
            _ => Self::Node(Box::new(error)),
        }
    }
}

/// The engine's own words without the client library's.
pub(super) fn said(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error as E;
    match error {
        E::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        E::DockerStreamError { error } => error.trim().to_owned(),
        E::RequestTimeoutError => "the Docker engine took too long to answer".to_owned(),
        other => crate::chain::chain(other),
    }
}

/// The HTTP status that the engine answered with.
pub(super) fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What frequent errors mean, and whether the task is at fault.
fn explain(said: &str) -> Option<(&'static str, bool)> {
    const KNOWN: [(&str, &str, bool); 12] = [
        ("executable file not found", "the image has no such program; check Entrypoint and Parameters", true),
        ("exec format error", "the program is for another processor, or is a script without #!", true),
        ("is not a directory", "a file is mounted onto a directory or the other way round", true),
        ("not a directory", "a file is mounted onto a directory or the other way round", true),
        ("permission denied", "the program may not be executed; check Entrypoint and its mode", true),
        ("no command specified", "the image names no program to run; set Entrypoint or Parameters", true),
        (
            "no such file or directory",
            "the program or its interpreter is not in the image; check Entrypoint",
            true,
        ),
        (
            "minimum memory limit",
            "the task asks for less memory than a container needs; raise Resources.Memory",
            true,
        ),
        ("invalid mount", "an input or result path cannot be mounted in a container", true),
        ("address already in use", "a port the task wants is in use on this node", false),
        ("port is already allocated", "a port the task wants is in use on this node", false),
        (
            "no space left on device",
            "the disk of this node's Docker engine is full; free some, as with docker system prune",
            false,
        ),
    ];
    let said = said.to_lowercase();
    KNOWN.iter().find(|(part, ..)| said.contains(part)).map(|(_, plain, fault)| (*plain, *fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_errors_are_told_in_plain_words() {
        let error = |message: &str| bollard::errors::Error::DockerResponseServerError {
            status_code: 400,
            message: message.to_owned(),
        };
        let told = |message: &str| Error::container("start the container", &error(message)).to_string();
        let text = told("OCI runtime create failed: exec: \"nope\": executable file not found in $PATH");
        assert!(text.starts_with("start the container: the image has no such program"), "{text}");
        assert!(text.contains("\"nope\""), "{text}");
        assert_eq!(told("odd"), "start the container: odd");
    }
}
