//! What runs a task: one folder per engine, one trait, one list.
//!
//! [`task`] says what is run and how it ends, [`host_path`] where its data is, [`output`] where its output goes; [`Executors`] is the list of what this
//! node can run. Adding an engine is a folder here and one line where the agent builds its list.

mod host_path;
mod output;
mod task;
pub mod wasm;

use std::error::Error;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub(crate) use host_path::start_afresh;
pub use host_path::{Content, HostPath};
pub use output::{DEFAULT_OUTPUT_LIMIT_BYTES, OutputProgress, OutputSize, OutputWriter};
pub use task::{
    Access, Failure, FailureKind, Mount, Outcome, RunningTask, StopReason, Stopper, TaskRun, TaskSide,
};

/// An engine: runs tasks of one kind. Shared by all executions, so methods may be called at the same time.
pub trait Executor: Send + Sync {
    /// The engine's name in a job, in lower case.
    fn kind(&self) -> &'static str;

    /// Whether tasks can run here now. Asked before bids and whenever the node describes itself, so it must be cheap
    /// and must not remember a "no" for ever.
    fn availability(&self) -> BoxFuture<'_, Availability>;

    /// Launches a task and returns once it runs. Dropping the future before that gives the start up and leaves nothing
    /// running. Calling it again for an execution that an earlier agent process started takes that one over where the
    /// engine can, and begins afresh where it cannot.
    fn start(&self, run: TaskRun) -> BoxFuture<'_, Result<RunningTask, StartError>>;

    /// Removes what an execution left behind outside its own directories. Called after its end and for executions of
    /// an earlier agent process; may be called for one that is unknown, and twice.
    fn clean_up<'a>(&'a self, execution_id: &'a str) -> BoxFuture<'a, ()>;
}

/// Whether an engine can be used on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// Tasks can be started.
    Ready,
    /// They cannot, and why, for the node's description and refused bids.
    Unavailable(String),
}

/// Why a task did not start; nothing of it is running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The task is at fault: it would fail on any node.
    #[error(transparent)]
    Task(Box<dyn Error + Send + Sync>),
    /// This node is at fault: another one may run it.
    #[error(transparent)]
    Node(Box<dyn Error + Send + Sync>),
    /// It was stopped before it ran.
    #[error("stopped before it ran")]
    Stopped(StopReason),
}

/// The engines of this node.
#[derive(Clone, Default)]
pub struct Executors {
    all: Vec<Arc<dyn Executor>>,
}

impl Executors {
    /// The list, in the order it is shown.
    pub fn new(all: Vec<Arc<dyn Executor>>) -> Self {
        Self { all }
    }

    /// The engine a job names, without regard to case.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Executor>> {
        self.all.iter().find(|executor| executor.kind().eq_ignore_ascii_case(kind))
    }

    /// All engines, ready or not.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Executor>> {
        self.all.iter()
    }
}
