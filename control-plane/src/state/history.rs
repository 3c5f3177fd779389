//! What happened to a job, in order.

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::Event;
use serde::{Deserialize, Serialize};

/// One entry of a job's history. Entries written together share a record; their sequence numbers follow each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// 1, 2, 3 … per job over all versions.
    pub sequence: u64,
    /// The job version it belongs to.
    pub job_version: u64,
    /// Set at execution level.
    pub execution_id: Option<ExecutionId>,
    /// What happened.
    pub event: Event,
}
