//! What runs a task: one folder per engine, one trait, one list.
//!
//! [`task`] says what is run and how it ends, [`host_path`] where its data is, [`output`] where its output goes; [`Executors`] is the list of what this
//! node can run. Adding an engine is a folder here and one line where the agent builds its list.

#[cfg(feature = "docker")]
pub mod docker;
mod host_path;
mod output;
pub(crate) mod stream_files;
mod task;
pub mod wasm;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bacalhau_protocol::model::Task;
use futures_util::future::{BoxFuture, select_all};
use tokio::sync::watch;

pub(crate) use host_path::start_afresh;
pub use host_path::{Content, HostPath};
pub use output::{Kept, OutputProgress, OutputSize, OutputWriter};
pub use task::{
    Access, Adopted, Failure, FailureKind, Mount, Notes, Outcome, RunningTask, StopReason, Stopper, TaskRun,
    TaskSide,
};

/// An engine: runs tasks of one kind. Shared by all executions, so methods may be called at the same time.
pub trait Executor: Send + Sync {
    /// The engine's name in a job, in lower case.
    fn kind(&self) -> &'static str;

    /// Whether tasks can run here now. Asked before bids and whenever the node describes itself, so it must be cheap
    /// and must not remember a "no" for ever.
    fn availability(&self) -> BoxFuture<'_, Availability>;

    /// What it can say about a task without starting it, for a bid: `Err` with what the node does not do, as in
    /// "support platform linux/arm64".
    fn check<'a>(&'a self, _task: &'a Task) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Changes whenever [`availability`](Self::availability) does, for engines that come and go by themselves.
    fn changes(&self) -> Option<watch::Receiver<()>> {
        None
    }

    /// Launches a task and returns once it runs. Dropping the future before that gives the start up and leaves nothing
    /// running. What an earlier run of the same execution left is replaced.
    fn start(&self, run: TaskRun) -> BoxFuture<'_, Result<RunningTask, StartError>>;

    /// Whether tasks go on when the agent ends; then [`adopt`](Self::adopt) finds them.
    fn outlives_agent(&self) -> bool {
        false
    }

    /// Takes over the task of `run` that an earlier agent process started, running or ended meanwhile; `None` if nothing
    /// is left of it. The inputs in `run` are not filled: the task has them.
    fn adopt(&self, _run: TaskRun) -> BoxFuture<'_, Result<Option<Adopted>, StartError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Says which executions of earlier agent processes may still have something here; all else may be removed. Called
    /// once, before any other execution is started.
    fn keep_only(&self, _executions: &BTreeSet<String>) {}

    /// Makes the agent's user the owner of what an execution's tasks made below `directory`, which is the agent's own, so
    /// that it can be read and removed. For engines whose tasks run as other users. Called when none of them runs; may
    /// be called for an execution that is unknown, and twice.
    fn reclaim<'a>(
        &'a self,
        _execution_id: &'a str,
        _directory: &'a Path,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Removes what is in `directory`, which the agent itself could not; else as [`reclaim`](Self::reclaim).
    fn empty<'a>(
        &'a self,
        _execution_id: &'a str,
        _directory: &'a Path,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Removes what an execution left behind outside its own directories. Called after its end and for executions of
    /// an earlier agent process; may be called for one that is unknown, and twice.
    fn clean_up<'a>(&'a self, execution_id: &'a str) -> BoxFuture<'a, ()>;
}

/// Why an engine did not do what it was asked, with its sources.
pub type Problem = Box<dyn Error + Send + Sync>;

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
    /// What the task names is not to be had or does not fit this node. Told as `Exec Scanning`.
    #[error("{error}")]
    Scan {
        /// What is wrong.
        error: Box<dyn Error + Send + Sync>,
        /// For programs: `component:code`.
        code: &'static str,
        /// What people may try.
        hint: String,
    },
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

    /// Tells from now on when engines come and go, those that can.
    pub fn changes(&self) -> Changes {
        Changes(self.all.iter().filter_map(|executor| executor.changes()).collect())
    }

    /// All engines, ready or not.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Executor>> {
        self.all.iter()
    }
}

/// News of engines that come and go.
pub struct Changes(Vec<watch::Receiver<()>>);

impl Changes {
    /// Waits until one of them changes; for ever if none can.
    pub async fn next(&mut self) {
        let changes = self.0.iter_mut().map(|change| {
            Box::pin(async move {
                if change.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        });
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            std::future::pending::<()>().await;
        }
        select_all(changes).await;
    }
}
