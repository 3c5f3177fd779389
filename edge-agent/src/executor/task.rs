//! What is run, the handle on it while it runs, and how it ended.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::model::{Network, Resources};
use tokio::sync::{oneshot, watch};

use super::host_path::HostPath;
use super::output::{Kept, OutputProgress};
use crate::ports::Assigned;

/// One task as an engine gets it: inputs are on the node, the environment is complete.
#[derive(Debug, Clone)]
pub struct TaskRun {
    /// Whose task this is.
    pub execution_id: String,
    /// Whose execution that is.
    pub job_id: String,
    /// The engine's parameters: a JSON object as text.
    pub params: String,
    /// The task's and the system's variables.
    pub environment: BTreeMap<String, String>,
    /// Data the task reads.
    pub inputs: Vec<Mount>,
    /// Directories the task fills; they exist and are empty or hold what an earlier attempt left.
    pub outputs: Vec<Mount>,
    /// What the task may reach.
    pub network: Network,
    /// Ports of the node that are its own; the environment tells them already.
    pub ports: Vec<Assigned>,
    /// Processor, disk and GPUs it asked for; what is zero has no limit.
    pub limits: Resources,
    /// Most memory the task may use, bytes; none is the engine's own limit.
    pub memory_limit_bytes: Option<u64>,
    /// Directory that gets the files `stdout` and `stderr`; made when there is something to write.
    pub results_dir: PathBuf,
    /// Directory for the engine's own use while the task runs; whoever needs it makes it, with those above it, and the
    /// runner removes it afterwards.
    pub scratch_dir: PathBuf,
    /// What is kept of each of stdout and stderr.
    pub kept: Kept,
    /// Takes what is worth telling.
    pub notes: Notes,
}

/// Takes what is worth telling of a task, such as how much of an image is here or where it may not connect to.
#[derive(Clone, Default)]
pub struct Notes(Option<Arc<TakeNote>>);

type TakeNote = dyn Fn(&'static str, String, bool) + Send + Sync;

impl Notes {
    /// Hands each note to `take`: its topic, its text, and whether it can wait for the next observation.
    pub fn to(take: impl Fn(&'static str, String, bool) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(take)))
    }

    /// Tells how it goes; `topic` is one of [`bacalhau_protocol::model::topic`].
    pub fn progress(&self, topic: &'static str, message: String) {
        self.take(topic, message, false);
    }

    /// Puts something on record.
    pub fn record(&self, topic: &'static str, message: String) {
        self.take(topic, message, true);
    }

    fn take(&self, topic: &'static str, message: String, can_wait: bool) {
        if let Some(take) = &self.0 {
            take(topic, message, can_wait);
        }
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notes")
    }
}

/// A task that outlived the agent process that started it.
#[derive(Debug)]
pub struct Adopted {
    /// The handle; the task may have ended meanwhile.
    pub task: RunningTask,
    /// For how long it has run.
    pub ran_for: Duration,
    /// Ports of the node that it was given.
    pub ports: Vec<u16>,
}

/// A file or directory of the node shown to the task.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Where it is on the node.
    pub host: HostPath,
    /// Absolute path inside the task.
    pub guest: String,
    /// Name by which the task's parameters may refer to it.
    pub alias: Option<String>,
    /// What the task may do with it.
    pub access: Access,
}

/// What a task may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look.
    ReadOnly,
    /// Change.
    ReadWrite,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself with this code.
    Exited(i32),
    /// It was broken off by its own doing.
    Failed(Failure),
    /// It was stopped from outside.
    Stopped(StopReason),
}

/// What went wrong in a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the program.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
}

/// Kinds of failure the agent reports apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The program did something it may not do, or does not fit what it imports.
    Program,
    /// It wanted more memory than it may have.
    OutOfMemory,
    /// The engine itself failed.
    Engine,
}

/// Why a task was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Nobody wants it any more.
    Cancelled,
    /// It took too long.
    Timeout,
    /// The agent ends and cannot leave it running.
    Shutdown,
}

impl Outcome {
    /// A success whose output is lost is none.
    pub(super) fn with_output(self, broken: Option<io::Error>) -> Self {
        match (self, broken) {
            (Self::Exited(0), Some(error)) => {
                let message = format!("the task's output cannot be written on this node: {error}");
                Self::Failed(Failure { kind: FailureKind::Engine, message })
            }
            (end, _) => end,
        }
    }

    /// The exit code as results carry it: 1 for a program that was broken off, 137 for one that was stopped, as a
    /// killed container reports.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exited(code) => *code,
            Self::Failed(_) => 1,
            Self::Stopped(_) => 137,
        }
    }
}

/// A handle on a started task. Dropping it does not stop the task.
#[derive(Debug)]
pub struct RunningTask {
    output: OutputProgress,
    stopper: Stopper,
    outcome: oneshot::Receiver<Outcome>,
}

/// Stops one task; cheap to clone and to keep after the end.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<watch::Sender<Option<StopReason>>>);

/// The engine's end of a [`RunningTask`].
#[derive(Debug)]
pub struct TaskSide {
    /// Turns `Some` when the task must end.
    pub stop: watch::Receiver<Option<StopReason>>,
    /// Takes the one outcome.
    pub outcome: oneshot::Sender<Outcome>,
}

impl RunningTask {
    /// A handle and the end the engine keeps.
    pub fn new(output: OutputProgress) -> (Self, TaskSide) {
        let (stop, stop_seen) = watch::channel(None);
        let (report, outcome) = oneshot::channel();
        let handle = Self { output, stopper: Stopper(Arc::new(stop)), outcome };
        (handle, TaskSide { stop: stop_seen, outcome: report })
    }

    /// Waits for the end. Safe to drop and call again until it has returned.
    pub async fn wait(&mut self) -> Outcome {
        (&mut self.outcome).await.unwrap_or_else(|_| {
            let message = "the engine ended without saying how the task ended".to_owned();
            Outcome::Failed(Failure { kind: FailureKind::Engine, message })
        })
    }

    /// For whoever may stop the task.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// For whoever follows stdout and stderr.
    pub fn output(&self) -> OutputProgress {
        self.output.clone()
    }
}

impl Stopper {
    /// Asks the task to end; [`RunningTask::wait`] tells when it has. The first reason counts, later calls and calls
    /// after the end do nothing.
    pub fn stop(&self, reason: StopReason) {
        self.0.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
    }
}
