//! What of the agent survives a power cut: executions and a few facts.
//!
//! Writers hand over [`Change`]s and are told when they are durable; everything that waits goes to the disk in one
//! sync. Nothing is written while nothing changes. There is one file-backed journal and one in memory, for benches and
//! tests, behind the same handle and the same tests.

mod crashes;
mod disk;
mod entry;
mod environment;
mod files;
#[cfg(test)]
mod golden;
mod medium;
mod memory;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::Work;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::execution::Record;

pub use bacalhau_wal::Durability;
pub use crashes::MAX_CRASHES;
pub use disk::OpenError;
pub use files::FilesError;

use crashes::CrashMarker;
use writer::{Request, Writer};

/// Bytes of executions, by [`size`], for which there is always room in a journal.
pub const MAX_EXECUTION_BYTES: usize = environment::MAX_EXECUTION_BYTES;

/// One thing to keep, or to keep no longer.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An execution as it stands.
    Put(Box<Record>),
    /// An execution that is over and known to be over.
    Delete(ExecutionId),
    /// The facts as they stand.
    Facts(Facts),
}

/// What an agent must remember beside its executions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Observation sequences up to here may have been used; after a power cut also later ones.
    pub sequence_reserved: u64,
    /// Highest time the control plane told.
    pub fleet_time: Option<Timestamp>,
    /// Ed25519 key that signs compiled artifacts.
    pub artifact_key: Option<[u8; 32]>,
}

/// What an earlier agent process left.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Its executions, by id.
    pub executions: Vec<Record>,
    /// Its facts.
    pub facts: Facts,
    /// Records that could not be read and were set aside inside the journal, with what is wrong with each.
    pub damaged: Vec<String>,
    /// Where the whole journal was set aside, because it could not be read or the agent crashed on it again and again.
    pub set_aside: Option<PathBuf>,
}

/// Why a change is not durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk or the database says no.
    #[error("the journal cannot be written")]
    Medium(#[source] Arc<FilesError>),
    /// More waits for the disk than there is room for.
    #[error("more than {} changes wait for the journal's disk", writer::MAX_WAITING)]
    Overloaded,
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

/// Resolves once the changes are durable, or never will be. Need not be awaited.
#[derive(Debug)]
pub struct Written(oneshot::Receiver<Result<(), WriteError>>);

impl Written {
    /// Waits for the disk.
    pub async fn durable(self) -> Result<(), WriteError> {
        self.0.await.unwrap_or(Err(WriteError::Closed))
    }
}

/// How much of a journal an execution takes until it is forgotten, bytes.
pub fn size(work: &Work) -> usize {
    entry::size(work)
}

/// A handle on the journal; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    writer: Arc<Writer>,
    marker: Option<CrashMarker>,
}

impl Journal {
    /// Opens the journal in `directory`, or makes one. Blocks on the disk. Only an environment that cannot be used at
    /// all is an error: what cannot be read is set aside and reported in [`Recovered`].
    pub fn open(directory: &Path) -> Result<(Self, Recovered), OpenError> {
        Self::open_with(directory, Durability::Disk)
    }

    /// As [`open`](Self::open), perhaps without a single sync: to measure what they cost and to prove that they matter.
    pub fn open_with(directory: &Path, durability: Durability) -> Result<(Self, Recovered), OpenError> {
        let (medium, recovered) = disk::open(directory, durability)?;
        let marker = Some(CrashMarker::in_directory(directory));
        Ok((Self { writer: Arc::new(Writer::on_thread(medium)?), marker }, recovered))
    }

    /// A journal that forgets everything with the process.
    pub fn in_memory() -> Self {
        Self { writer: Arc::new(Writer::in_place(memory::Memory::default())), marker: None }
    }

    /// Begins to write; changes of one call become durable together, calls in the order they were made.
    pub fn write(&self, changes: Vec<Change>) -> Written {
        let (reply, written) = oneshot::channel();
        self.writer.submit(Request { changes, reply: Some(reply) });
        Written(written)
    }

    /// Writes along with whatever is written next, or when the journal closes: for changes that a power cut may undo.
    pub fn write_some_time(&self, changes: Vec<Change>) {
        self.writer.submit(Request { changes, reply: None });
    }

    /// The agent has got far enough with what was recovered: whatever ends it now is not the journal's fault.
    pub fn survived(&self) {
        if let Some(Err(error)) = self.marker.as_ref().map(CrashMarker::survived) {
            tracing::warn!(%error, "the journal's count of starts cannot be reset");
        }
    }

    /// Writes what waits and closes the file. Later writes fail. Blocks on the disk.
    pub fn close(&self) {
        self.writer.close();
    }
}
