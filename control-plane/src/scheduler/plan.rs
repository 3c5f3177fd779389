//! What the scheduler proposes.

use std::collections::BTreeMap;

use bacalhau_protocol::ids::{ExecutionId, NodeId};
use bacalhau_protocol::model::{DesiredState, Job, JobState, Resources};
use bacalhau_protocol::time::Timestamp;

/// Changes to one job and its executions. Leaves no choice for later: applying it whole or in chunks, once or twice,
/// gives the same state, as long as the job's own change, `targets_fixed` included, goes with the last chunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Executions to create, in order.
    pub place: Vec<Placement>,
    /// Executions whose desired state becomes Stopped.
    pub stop: Vec<StopChange>,
    /// New state of the job, if it changes.
    pub job: Option<JobChange>,
    /// Value of [`Job::targets_fixed`].
    pub targets_fixed: bool,
    /// Something is wanted that no node could be given: look at the job again when a node comes, changes or has room.
    pub short_of_nodes: bool,
    /// When to look at the job again although nothing happened; kept in memory, since a restart looks at everything.
    pub wake_at: Option<Timestamp>,
    /// For the history, in order; they happen now. Their messages say what was considered and why nothing was placed.
    pub events: Vec<PlannedEvent>,
}

impl Plan {
    /// Nothing has to be written for `job`.
    pub fn is_empty(&self, job: &Job) -> bool {
        self.place.is_empty()
            && self.stop.is_empty()
            && self.job.is_none()
            && self.targets_fixed == job.targets_fixed
            && self.events.is_empty()
    }
}

/// An execution to create.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Derived from job, version, node, partition and attempt.
    pub execution_id: ExecutionId,
    /// Where.
    pub node_id: NodeId,
    /// Partition; 0 for ops and daemon jobs.
    pub partition: u32,
    /// Attempt on this node and partition, from 0.
    pub attempt: u32,
    /// What is set aside for it.
    pub resources: Resources,
    /// Running; or Stopped for an ops target that could not be reached: recorded, and never sent.
    pub desired: DesiredState,
    /// Why it is wanted so; empty for Running.
    pub message: String,
}

/// An execution that is no longer wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopChange {
    /// Which.
    pub execution_id: ExecutionId,
    /// Becomes [`bacalhau_protocol::model::Execution::desired_message`].
    pub message: String,
}

/// New state of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobChange {
    /// Where it stands.
    pub state: JobState,
    /// Why.
    pub message: String,
    /// The same for machines.
    pub details: BTreeMap<String, String>,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventLevel {
    /// The job.
    Job,
    /// One of its executions.
    Execution(ExecutionId),
}

/// An entry of the history without its time and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEvent {
    /// What it is about.
    pub level: EventLevel,
    /// One of [`bacalhau_protocol::model::topic`].
    pub topic: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Machine-readable; keys of semantics.md 0.4.
    pub details: BTreeMap<String, String>,
}

/// Why something could not be placed: which nodes there were, and what was wrong with them.
#[derive(Debug, Default)]
pub(super) struct Explanation {
    /// Executions that were wanted.
    pub(super) requested: usize,
    /// Nodes that might have been chosen.
    pub(super) available: usize,
    /// Those that passed every check.
    pub(super) suitable: usize,
    /// Why the others did not, by reason; at most [`Self::MAX_REASONS`].
    pub(super) rejections: BTreeMap<String, Rejection>,
    /// Nodes with yet other reasons.
    pub(super) others: usize,
}

impl Explanation {
    /// Different reasons that are told. Nodes beyond are only counted, so that a message stays readable however many
    /// nodes there are.
    pub(super) const MAX_REASONS: usize = 20;

    /// Counts a node that does not suit.
    pub(super) fn reject(&mut self, reason: String, node: &NodeId) {
        self.reject_all(reason, 1, node);
    }

    /// Counts nodes that do not suit for one reason.
    pub(super) fn reject_all(&mut self, reason: String, nodes: usize, example: &NodeId) {
        let full = self.rejections.len() >= Self::MAX_REASONS;
        match self.rejections.get_mut(&reason) {
            Some(rejection) => rejection.nodes += nodes,
            None if full => self.others += nodes,
            None => {
                self.rejections.insert(reason, Rejection { nodes, example: example.clone() });
            }
        }
    }

    /// Nodes that did not suit.
    pub(super) fn rejected(&self) -> usize {
        self.rejections.values().map(|rejection| rejection.nodes).sum::<usize>() + self.others
    }
}

/// Nodes that were found unsuitable for one reason.
#[derive(Debug)]
pub(super) struct Rejection {
    /// How many.
    pub(super) nodes: usize,
    /// One of them.
    pub(super) example: NodeId,
}
