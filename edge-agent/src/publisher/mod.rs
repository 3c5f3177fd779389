//! What sends results away: one folder per publisher, one trait, one list.

pub mod local;

use std::path::Path;
use std::sync::Arc;

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::SpecConfig;
use futures_util::future::BoxFuture;

pub use local::{LocalPublisher, ResultStore};

/// Why results are not published, with its sources.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Sends results. Shared by all executions, so methods may be called at the same time.
pub trait Publisher: Send + Sync {
    /// Name of the kind in a job, in the form shown; compared without regard to case.
    fn kind(&self) -> &'static str;

    /// Sends results and tells where they are. May be called again for an execution whose publishing was interrupted.
    /// Dropping the future gives up.
    fn publish<'a>(&'a self, results: Results<'a>) -> BoxFuture<'a, Result<SpecConfig, Error>>;
}

/// What one execution leaves behind.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    /// Its job.
    pub job_id: &'a JobId,
    /// Which one.
    pub execution_id: &'a ExecutionId,
    /// What the job says about publishing.
    pub spec: &'a SpecConfig,
    /// Where the files are.
    pub directory: &'a Path,
}

/// The publishers of this node.
#[derive(Clone, Default)]
pub struct Publishers {
    all: Vec<Arc<dyn Publisher>>,
}

impl Publishers {
    /// The list, in the order it is shown.
    pub fn new(all: Vec<Arc<dyn Publisher>>) -> Self {
        Self { all }
    }

    /// The publisher a job names.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Publisher>> {
        self.all.iter().find(|publisher| publisher.kind().eq_ignore_ascii_case(kind))
    }

    /// All names.
    pub fn kinds(&self) -> Vec<String> {
        self.all.iter().map(|publisher| publisher.kind().to_owned()).collect()
    }
}
