//! What brings a task's inputs to the node: one folder per kind of source, one trait, one list.

pub mod inline;
pub mod local;
#[cfg(feature = "s3")]
pub mod s3;

use std::path::Path;
use std::sync::Arc;

use bacalhau_protocol::model::SpecConfig;
use futures_util::future::BoxFuture;

use crate::executor::{Access, HostPath};

pub use inline::{Blobs, InlineStorage};
pub use local::LocalStorage;
#[cfg(feature = "s3")]
pub use s3::S3Storage;

/// Why an input is not there, with its sources.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Brings inputs of one kind. Shared by all executions, so methods may be called at the same time.
pub trait Storage: Send + Sync {
    /// Names of the kind in a job, in the form shown; compared without regard to case.
    fn kinds(&self) -> &'static [&'static str];

    /// Whether this node offers the kind now.
    fn is_offered(&self) -> bool {
        true
    }

    /// Whether this node would bring such an input. Asked before the node takes an execution; looks at policy, not at
    /// the data, and may look at the disk but not at the network. Must not
    /// block the caller.
    fn check<'a>(&'a self, source: &'a SpecConfig) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether the data is on this node already, or comes with the job.
    fn is_local(&self, source: &SpecConfig) -> bool;

    /// Brings the data. Dropping the future gives up.
    fn prepare<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Prepared, Error>>;
}

/// An input to bring.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the job says.
    pub source: &'a SpecConfig,
    /// This input's own, for a file or a directory: neither it nor the directory above it need exist, or it is what an
    /// interrupted attempt left. It is removed after the task, and what lies outside it is not.
    pub place: &'a Path,
    /// For whom.
    pub partition: Partition,
    /// Most bytes it may take on the disk, if the task says so.
    pub disk_bytes: Option<u64>,
}

/// Which of a job's partitions an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From 0.
    pub index: u32,
    /// In all; at least 1.
    pub count: u32,
}

impl Partition {
    /// What ops and daemon jobs have.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// As a job numbers them: ops and daemon jobs count none.
    pub fn new(index: u32, count: u32) -> Self {
        Self { index, count: count.max(1) }
    }
}

/// An input that is there.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Where it is.
    pub host: HostPath,
    /// What the task may do with it.
    pub access: Access,
}

/// The kinds of source of this node.
#[derive(Clone, Default)]
pub struct Storages {
    all: Vec<Arc<dyn Storage>>,
}

impl Storages {
    /// The list, in the order it is shown.
    pub fn new(all: Vec<Arc<dyn Storage>>) -> Self {
        Self { all }
    }

    /// What brings sources of this kind now.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Storage>> {
        self.offered().find(|storage| storage.kinds().iter().any(|name| name.eq_ignore_ascii_case(kind)))
    }

    /// All names of all kinds offered now.
    pub fn kinds(&self) -> Vec<String> {
        self.offered().flat_map(|storage| storage.kinds()).map(|kind| (*kind).to_owned()).collect()
    }

    fn offered(&self) -> impl Iterator<Item = &Arc<dyn Storage>> {
        self.all.iter().filter(|storage| storage.is_offered())
    }
}
