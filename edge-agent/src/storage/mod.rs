//! Data a task needs, brought to where the engine can mount it: one file per kind, one trait, one list.

mod inline;
mod local;

use std::path::PathBuf;
use std::sync::Arc;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::InvalidParams;
use bacalhau_protocol::spec::data_url::BlobRef;
use futures_util::future::BoxFuture;

use crate::config::AllowedPath;
use crate::executor::Access;

/// A kind of input source. Shared by all executions, so methods may be called at the same time.
pub trait Source: Send + Sync {
    /// Its names in a job, in lower case; the first is the one shown.
    fn kinds(&self) -> &'static [&'static str];

    /// Whether the data is on this node before it is prepared.
    fn is_local(&self) -> bool;

    /// Whether this node lets a task have it. Asked before a bid; costs a few system calls at most.
    fn check(&self, config: &SpecConfig) -> Result<(), Error>;

    /// Brings it here. `directory` is the source's own and may hold what an earlier call left: calling again for the
    /// same execution gives the same.
    fn prepare(&self, config: SpecConfig, directory: PathBuf) -> BoxFuture<'_, Result<Prepared, Error>>;
}

/// Data that can be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// A file or directory, links resolved.
    pub host: PathBuf,
    /// What the task may do with it.
    pub access: Access,
}

/// Brings blobs of the control plane here and keeps them for the next task.
pub trait Blobs: Send + Sync {
    /// Fetches a blob, unless it is here, and tells where it is.
    fn fetch(&self, blob: BlobRef) -> BoxFuture<'_, Result<PathBuf, String>>;
}

/// Why a task cannot have its data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its parameters make no sense.
    #[error("input source: {0}")]
    Params(#[from] InvalidParams),
    /// The operator does not grant it.
    #[error("volume {path} is not allowlisted{leads}")]
    NotAllowed {
        /// As written in the job.
        path: String,
        /// Where its links lead, if elsewhere.
        leads: String,
    },
    /// The operator grants reading only.
    #[error("volume {path} is not granted write access{leads}")]
    ReadOnly {
        /// As written in the job.
        path: String,
        /// Where its links lead, if elsewhere.
        leads: String,
    },
    /// Nothing is there.
    #[error("path {0} does not exist on this node")]
    Missing(String),
    /// A file could not be used.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// An archive that would leave its directory, or holds what no input is.
    #[error("the archive holds {0:?}, which is no plain file or directory inside it")]
    Entry(String),
    /// More than a node takes.
    #[error("the archive unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// A blob could not be had.
    #[error("fetching inline data: {0}")]
    Blob(String),
}

/// The kinds of input source of this node.
#[derive(Clone)]
pub struct Sources {
    all: Vec<Arc<dyn Source>>,
}

impl Sources {
    /// The list: the one place that names all kinds. Local paths are offered only where some are granted.
    pub fn new(allowed: Vec<AllowedPath>, blobs: Arc<dyn Blobs>, disabled: &[String]) -> Self {
        let mut all: Vec<Arc<dyn Source>> = vec![Arc::new(inline::Inline::new(blobs))];
        if !allowed.is_empty() {
            all.push(Arc::new(local::Local::new(allowed)));
        }
        all.retain(|source| !source.kinds().iter().any(|kind| disabled.iter().any(|off| off == kind)));
        Self { all }
    }

    /// The kind a job names, without regard to case.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Source>> {
        self.all.iter().find(|source| source.kinds().iter().any(|name| name.eq_ignore_ascii_case(kind)))
    }

    /// All names, for the node's description.
    pub fn kinds(&self) -> Vec<String> {
        self.all.iter().flat_map(|source| source.kinds()).map(|kind| (*kind).to_owned()).collect()
    }
}
