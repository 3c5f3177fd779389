//! What is kept of an execution in the journal.

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{DesiredState, Observation, RunOutput};
use bacalhau_protocol::wire::Work;
use serde::{Deserialize, Serialize};

/// An execution as it is journaled: what is wanted, and how far the node got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which one.
    pub execution_id: ExecutionId,
    /// The newest wish taken in.
    pub generation: u64,
    /// What it wanted.
    pub desired: DesiredState,
    /// What to run.
    pub work: Work,
    /// How far the node got.
    pub phase: Phase,
}

/// How far the node got. The order is that of life. A record goes back in one case: an agent that ends while inputs come
/// takes `Started` back, since the start did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// Taken, and nothing done.
    Accepted,
    /// The task may have run. Written before it does.
    Started,
    /// The task is over; its results are to be sent.
    Ran {
        /// What the execution will have been.
        verdict: Verdict,
        /// How the task ended.
        output: RunOutput,
    },
    /// All is over; this is to be told until it is acknowledged.
    Ended(Box<Observation>),
}

/// What an execution whose task is over will have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Ended well.
    Completed,
    /// Ended badly, for this reason.
    Failed(String),
}

impl Phase {
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Started => 1,
            Self::Ran { .. } => 2,
            Self::Ended(_) => 3,
        }
    }
}
