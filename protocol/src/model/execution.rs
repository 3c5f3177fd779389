//! One attempt to run a job on one node: what is wanted of it, and what was seen of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{EvaluationId, ExecutionId, JobId, NodeId};
use crate::model::{Resources, SpecConfig};
use crate::time::Timestamp;

/// What the control plane wants (numbers of api.md 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DesiredState {
    /// Offered; the node answers with a bid and waits.
    Pending,
    /// Run it.
    Running,
    /// Do not run it any more.
    Stopped,
}

impl DesiredState {
    /// The API's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 1,
            Self::Stopped => 2,
        }
    }

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Stopped => "Stopped",
        }
    }
}

/// Where an execution stands as the API tells it (numbers of api.md 2.1). Derived from desired and observed state by
/// [`Execution::compute_state`]; it is never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComputeState {
    /// Created, the node has not answered.
    New,
    /// The node agreed and waits for confirmation.
    AskForBidAccepted,
    /// The node refused.
    AskForBidRejected,
    /// Confirmed; waits on the node or prepares its inputs.
    BidAccepted,
    /// The task runs.
    Running,
    /// The task ended; its results are being sent.
    Publishing,
    /// The bid was not taken.
    BidRejected,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Stopped before its end.
    Cancelled,
}

impl ComputeState {
    /// The API's number.
    pub fn number(self) -> u8 {
        match self {
            Self::New => 1,
            Self::AskForBidAccepted => 3,
            Self::AskForBidRejected => 4,
            Self::BidAccepted => 5,
            Self::Running => 6,
            Self::Publishing => 7,
            Self::BidRejected => 8,
            Self::Completed => 9,
            Self::Failed => 10,
            Self::Cancelled => 11,
        }
    }

    /// The API's word for a number; `None` for numbers it does not know.
    pub fn word(number: u64) -> Option<&'static str> {
        const WORDS: [&str; 12] = [
            "Undefined",
            "New",
            "AskForBid",
            "AskForBidAccepted",
            "AskForBidRejected",
            "BidAccepted",
            "Running",
            "Publishing",
            "BidRejected",
            "Completed",
            "Failed",
            "Cancelled",
        ];
        WORDS.get(usize::try_from(number).ok()?).copied()
    }
}

/// What a node reported last. A node reports upwards in this order and never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObservedState {
    /// Nothing heard yet.
    Unheard,
    /// The node would run it (answer to an offer).
    Agreed,
    /// Accepted to run; waits in the local queue or prepares inputs.
    Accepted,
    /// The task runs.
    Running,
    /// Results are being sent.
    Publishing,
    /// Ended well.
    Completed,
    /// Ended badly; the message says why.
    Failed,
    /// The node will not run it; the message says why.
    Refused,
    /// Ended because it was no longer wanted.
    Stopped,
}

impl ObservedState {
    /// Nothing more will be heard.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Refused | Self::Stopped)
    }
}

/// One attempt to run a job on one node. Refers to its job and version, never embeds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Derived from job, version, node, partition and attempt.
    pub id: ExecutionId,
    /// The job.
    pub job_id: JobId,
    /// The version of its specification.
    pub job_version: u64,
    /// Where it runs.
    pub node_id: NodeId,
    /// The evaluation that made it.
    pub evaluation_id: EvaluationId,
    /// Partition, from 0; 0 for ops and daemon jobs.
    pub partition: u32,
    /// Attempt on this node and partition, from 0.
    pub attempt: u32,
    /// What is set aside for it.
    pub resources: Resources,
    /// What is wanted.
    pub desired: DesiredState,
    /// Why it is wanted; may be empty.
    pub desired_message: String,
    /// Grows with each change of what is wanted; a node ignores older ones.
    pub generation: u64,
    /// What was seen.
    pub observed: ObservedState,
    /// What the node said about it; may be empty.
    pub observed_message: String,
    /// Sequence of the last observation taken in; older ones are ignored.
    pub observed_sequence: u64,
    /// Where the results are.
    pub published: Option<SpecConfig>,
    /// How the task ended.
    pub output: Option<RunOutput>,
    /// Grows by one with each write of this record.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Last write.
    pub modified: Timestamp,
}

impl Execution {
    /// Nothing more will happen: it was seen to end, or it is not wanted and its node may forget it.
    pub fn is_terminal(&self) -> bool {
        self.observed.is_terminal() || self.desired == DesiredState::Stopped
    }

    /// Something may still run on the node: it was wanted once and was not seen to end.
    pub fn may_be_running(&self) -> bool {
        let never_wanted = self.desired == DesiredState::Stopped && self.generation <= 1;
        !self.observed.is_terminal() && !never_wanted
    }

    /// Occupies its node and partition: it is wanted and was not seen to end.
    pub fn is_live(&self) -> bool {
        !self.is_terminal()
    }

    /// The one status shown to clients.
    pub fn compute_state(&self) -> ComputeState {
        match (self.observed, self.desired) {
            (ObservedState::Completed, _) => ComputeState::Completed,
            (ObservedState::Failed, _) => ComputeState::Failed,
            (ObservedState::Refused, _) => ComputeState::AskForBidRejected,
            (ObservedState::Stopped, _) | (_, DesiredState::Stopped) => ComputeState::Cancelled,
            (ObservedState::Unheard, DesiredState::Pending) => ComputeState::New,
            (ObservedState::Agreed, DesiredState::Pending) => ComputeState::AskForBidAccepted,
            (ObservedState::Unheard, DesiredState::Running) => ComputeState::New,
            (ObservedState::Agreed | ObservedState::Accepted, _) => ComputeState::BidAccepted,
            (ObservedState::Running, _) => ComputeState::Running,
            (ObservedState::Publishing, _) => ComputeState::Publishing,
        }
    }
}

/// What the message of an execution begins with that took too long, whichever side ended it.
pub const TIMED_OUT: &str = "Execution timed out";

/// How a task ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutput {
    /// First [`RunOutput::MAX_BYTES`] of standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// There was more.
    pub stdout_truncated: bool,
    /// First [`RunOutput::MAX_BYTES`] of standard error; bytes that are no UTF-8 are replaced.
    pub stderr: String,
    /// There was more.
    pub stderr_truncated: bool,
    /// -1 when the task never ran.
    pub exit_code: i32,
    /// Trouble of the executor, not of the program; may be empty.
    pub error: String,
}

impl RunOutput {
    /// Bytes of each stream that travel in the record (semantics.md 5.11).
    pub const MAX_BYTES: usize = 2048;
}

/// Something worth telling about a job or an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// One of [`topic`].
    pub topic: String,
    /// A sentence for people.
    pub message: String,
    /// When it happened, in the fleet's time.
    pub at: Timestamp,
    /// Machine-readable; keys of semantics.md 0.4.
    pub details: BTreeMap<String, String>,
}

/// What a node reports of one execution: its whole observed state, not a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Which one.
    pub execution_id: ExecutionId,
    /// The newest generation of the wish the node has journaled.
    pub generation: u64,
    /// Where it stands.
    pub state: ObservedState,
    /// Why; may be empty.
    pub message: String,
    /// Events since the last observation that was acknowledged.
    pub events: Vec<Event>,
    /// How the task ended, once it did.
    pub output: Option<RunOutput>,
    /// Where the results are, once they are.
    pub published: Option<SpecConfig>,
}

/// Topics of events (semantics.md 1.15).
pub mod topic {
    /// Submitting, updating, rerunning.
    pub const SUBMISSION: &str = "Submission";
    /// A job's state changed.
    pub const STATE_UPDATE: &str = "State Update";
    /// Placing and stopping.
    pub const SCHEDULING: &str = "Scheduling";
    /// Waiting for a node.
    pub const QUEUEING: &str = "Queueing";
    /// One execution took too long.
    pub const EXEC_TIMEOUT: &str = "Exec Timeout";
    /// The job took too long.
    pub const JOB_TIMEOUT: &str = "Job Timeout";
    /// Start and end of an execution.
    pub const EXECUTION: &str = "Execution";
    /// Bids and their refusals.
    pub const EXEC_SCANNING: &str = "Exec Scanning";
    /// Inputs, ports, environment.
    pub const PREPARING: &str = "Preparing Environment";
    /// The engine at work.
    pub const RUNNING: &str = "Running Execution";
    /// Sending results.
    pub const PUBLISHING: &str = "Publishing Results";
}
