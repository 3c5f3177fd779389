//! Why a module could not be started.

use std::io;
use std::path::PathBuf;

use bacalhau_protocol::spec::InvalidParams;

use crate::executor::StartError;

use super::compile_child::ChildError;

/// What was wrong with a task, or with this node, before the guest ran.
///
/// The engine's own errors are carried as text: its error type is no `std::error::Error`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine parameters do not parse.
    #[error(transparent)]
    Params(#[from] InvalidParams),
    /// A module that is named nowhere.
    #[error(
        "module {name:?}, needed by {wanted_by}, not found: it must be the alias or the target path of an input \
         (a directory counts if it holds exactly one .wasm file)"
    )]
    NoSuchModule {
        /// As the task or the import writes it.
        name: String,
        /// The task or the module that imports it.
        wanted_by: String,
    },
    /// Modules import each other in a circle.
    #[error("module {0:?} imports itself through other modules")]
    ImportCycle(String),
    /// More modules than anyone links by hand.
    #[error("the task links more than {0} modules")]
    TooManyModules(usize),
    /// A module's file cannot be read.
    #[error("read module {path}", path = path.display())]
    ReadModule {
        /// On the node.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Too big to be a module.
    #[error("module {name:?} has {bytes} bytes, the limit is {limit}")]
    ModuleTooLarge {
        /// As the task names it.
        name: String,
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The file is something else.
    #[error("{name:?} is not a WebAssembly module: it begins with {begin}, a module begins with 00 61 73 6d")]
    NotWasm {
        /// As the task names it.
        name: String,
        /// Its first bytes in hexadecimal, or `nothing`.
        begin: String,
    },
    /// A component, which needs another engine.
    #[error("{0:?} is a WebAssembly component; build it as a core module (wasm32-wasip1) instead")]
    Component(String),
    /// The compiler refused it.
    #[error("compile module {name:?}: {reason}")]
    Invalid {
        /// As the task names it.
        name: String,
        /// The compiler's words.
        reason: String,
    },
    /// The compiling process failed.
    #[error("compile module {name:?}")]
    Compile {
        /// As the task names it.
        name: String,
        /// What happened to the process.
        source: ChildError,
    },
    /// Nobody can compile for this node.
    #[error("module {name:?} is not compiled for {profile}, this node has no compiler, and {why}")]
    NoCompiler {
        /// As the task names it.
        name: String,
        /// The node's profile.
        profile: String,
        /// What the control plane said.
        why: String,
    },
    /// An artifact does not come from the control plane, or was damaged.
    #[error("compiled module refused")]
    Artifact(#[from] super::artifact::Refusal),
    /// The disk with the compiled modules fails.
    #[error("keep compiled module in {path}", path = path.display())]
    ArtifactDisk {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The function to call is missing.
    #[error("module {module:?} has no function {entrypoint:?}; it exports {exports}")]
    NoEntrypoint {
        /// The entry module.
        module: String,
        /// As the task names it.
        entrypoint: String,
        /// The functions there are.
        exports: String,
    },
    /// The function cannot be called from outside.
    #[error("function {0:?} takes parameters or returns results; an entry point has neither")]
    EntrypointSignature(String),
    /// A path inside the task is unusable.
    #[error("path {path:?} inside the task: {reason}")]
    GuestPath {
        /// As the task writes it.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A mount cannot be made.
    #[error("mount {host} at {guest:?}", host = host.display())]
    Mount {
        /// On the node.
        host: PathBuf,
        /// Inside the task.
        guest: String,
        /// What the system said.
        source: io::Error,
    },
    /// The engine or its thread cannot be set up.
    #[error("set up the engine: {0}")]
    Engine(String),
    /// The files for the output cannot be opened.
    #[error("open the output files in {path}", path = path.display())]
    Output {
        /// The results directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        use Error as E;
        match error {
            E::NoCompiler { .. }
            | E::Artifact(_)
            | E::ArtifactDisk { .. }
            | E::Engine(_)
            | E::Output { .. }
            | E::Mount { .. }
            | E::ReadModule { .. } => Self::Node(Box::new(error)),
            E::Compile { ref source, .. } if !source.is_modules_fault() => Self::Node(Box::new(error)),
            _ => Self::Task(Box::new(error)),
        }
    }
}
