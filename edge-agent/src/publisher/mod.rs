//! Where results go: one file per kind, one trait, one list.

mod archive;
mod local;
mod retention;

use std::path::PathBuf;
use std::sync::Arc;

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::SpecConfig;
use futures_util::future::BoxFuture;

pub use local::{LocalPublisher, Uploads};
pub use retention::Limits;

/// A place for results. Shared by all executions.
pub trait Publisher: Send + Sync {
    /// Its name in a job, in lower case.
    fn kind(&self) -> &'static str;

    /// Sends the results and tells where they are. May be called again after it failed or the agent restarted.
    fn publish(&self, results: Results) -> BoxFuture<'_, Result<SpecConfig, Error>>;
}

/// What is published.
#[derive(Clone, Debug)]
pub struct Results {
    /// The job.
    pub job_id: JobId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// What the job says about the publisher.
    pub config: SpecConfig,
    /// Directory with `stdout`, `stderr`, `exitCode` and one directory per result path.
    pub directory: PathBuf,
}

/// Why results were not published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The agent stops.
    #[error("the agent stops")]
    Stopping,
}

/// The publishers of this node.
#[derive(Clone, Default)]
pub struct Publishers {
    all: Vec<Arc<dyn Publisher>>,
}

impl Publishers {
    /// The list, without those that are switched off.
    pub fn new(mut all: Vec<Arc<dyn Publisher>>, disabled: &[String]) -> Self {
        all.retain(|publisher| !disabled.iter().any(|off| off == publisher.kind()));
        Self { all }
    }

    /// The kind a job names, without regard to case.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Publisher>> {
        self.all.iter().find(|publisher| publisher.kind().eq_ignore_ascii_case(kind))
    }

    /// All names, for the node's description; `noop` asks for nothing and is always there.
    pub fn kinds(&self) -> Vec<String> {
        let own = self.all.iter().map(|publisher| publisher.kind().to_owned());
        own.chain(["noop".to_owned()]).collect()
    }
}
