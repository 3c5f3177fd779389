//! What the scheduler sees.

use bacalhau_protocol::ids::EvaluationId;
use bacalhau_protocol::model::{Execution, Job, JobSpec};

use super::{Nodes, Settings};

/// The state of the world that one plan is made from. Taking one costs no copy of jobs or nodes.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// Store revision everything below belongs to.
    pub revision: u64,
    /// The job.
    pub job: &'a Job,
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

/// A request to look at a job again. Says what triggered it, never what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Its name; written into the executions it makes.
    pub id: EvaluationId,
    /// For people only: no decision depends on it.
    pub trigger: Trigger,
    /// Breaks ties and chooses which nodes are sampled.
    pub seed: u64,
}

/// Why a job is looked at again (words of semantics.md 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Submitted.
    JobRegister,
    /// A new version was submitted.
    JobUpdate,
    /// A stop was asked for.
    JobCancel,
    /// A rerun was asked for.
    JobRerun,
    /// The time a plan asked to be woken at has come.
    JobQueue,
    /// A node reported on an execution.
    ExecUpdate,
    /// A node connected, was approved, or changed what it offers.
    NodeJoin,
    /// A node went silent, was rejected or removed.
    NodeLeave,
    /// Part of the last plan could not be applied.
    PlanRejected,
}

impl Trigger {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobRegister => "job-register",
            Self::JobUpdate => "job-update",
            Self::JobCancel => "job-cancel",
            Self::JobRerun => "job-rerun",
            Self::JobQueue => "job-queue",
            Self::ExecUpdate => "exec-update",
            Self::NodeJoin => "node-join",
            Self::NodeLeave => "node-leave",
            Self::PlanRejected => "exec-limit",
        }
    }
}
