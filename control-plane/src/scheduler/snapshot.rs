//! What the scheduler sees.

use bacalhau_protocol::ids::EvaluationId;
use bacalhau_protocol::model::{Execution, Job, JobSpec};
use bacalhau_protocol::time::Timestamp;

use super::{Nodes, Settings};

/// The state of the world that one plan is made from. Taking one costs no copy of jobs or nodes.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// The job.
    pub job: &'a Job,
    /// When the job was written before; what this plan becomes part of does not count.
    pub written: Timestamp,
    /// The job's current version.
    pub spec: &'a JobSpec,
    /// Of this job: those of any version that were not seen to end ([`Execution::may_be_running`]), and all of the
    /// current version. Of service and daemon jobs, ended ones may be left out if two later ones of the same node and
    /// partition are there.
    pub executions: Vec<&'a Execution>,
    /// Every known node.
    pub nodes: &'a Nodes,
    /// The cluster's choices.
    pub settings: &'a Settings,
}

/// A request to look at a job again. Says neither why nor what to do: the snapshot does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Its name; written into the executions it makes.
    pub id: EvaluationId,
    /// Breaks ties and chooses which nodes are sampled.
    pub seed: u64,
}
