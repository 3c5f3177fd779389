//! A plan under construction, and the questions every phase asks of the snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, NodeId};
use bacalhau_protocol::model::{DesiredState, Execution, JobState, topic};
use bacalhau_protocol::time::Timestamp;

use super::message::{self, StopReason};
use super::outcome::Outcome;
use super::plan::{EventLevel, JobChange, Placement, Plan, PlannedEvent, StopChange};
use super::standing::Standing;
use super::{Evaluation, Snapshot};

/// Among the details of what is said about nodes: how many there are to choose from.
pub(super) const NODES_AVAILABLE: &str = "NodesAvailable";

/// The snapshot together with what was decided so far.
pub(super) struct Draft<'a> {
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) evaluation: &'a Evaluation,
    pub(super) now: Timestamp,
    /// Ordered by partition, creation and id.
    pub(super) attempts: Vec<Attempt<'a>>,
    /// By node and partition; counted when the first execution is placed, which most plans never do.
    next_attempt: Option<BTreeMap<(&'a NodeId, u32), u32>>,
    plan: Plan,
}

/// An execution and whether this plan stops it.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) execution: &'a Execution,
    pub(super) stop: Option<StopReason>,
}

impl Attempt<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        Outcome::of(self.execution, self.stop)
    }

    pub(super) fn is_live(&self) -> bool {
        self.stop.is_none() && self.execution.is_live()
    }

    /// Why it did not end well.
    pub(super) fn reason(&self) -> String {
        let told = [&self.execution.observed_message, &self.execution.desired_message];
        let told = || told.into_iter().find(|message| !message.is_empty()).cloned();
        self.stop.map(StopReason::text).or_else(told).unwrap_or_else(|| "no reason was told".to_owned())
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(snapshot: &'a Snapshot<'a>, evaluation: &'a Evaluation, now: Timestamp) -> Self {
        let job = snapshot.job;
        let mut attempts: Vec<_> =
            snapshot.executions.iter().map(|execution| Attempt { execution, stop: None }).collect();
        attempts.sort_by_key(|a| (a.execution.partition, a.execution.created, &a.execution.id));
        let plan = Plan {
            place: Vec::new(),
            stop: Vec::new(),
            job: None,
            targets_fixed: job.targets_fixed,
            short_of_nodes: false,
            wake_at: None,
            events: Vec::new(),
        };
        Self { snapshot, evaluation, now, attempts, next_attempt: None, plan }
    }

    /// Where the job will stand.
    pub(super) fn job_state(&self) -> JobState {
        self.plan.job.as_ref().map_or(self.snapshot.job.state, |change| change.state)
    }

    /// Attempts of the current version.
    pub(super) fn current(&self) -> impl Iterator<Item = &Attempt<'a>> {
        self.attempts.iter().filter(|attempt| self.is_current(attempt))
    }

    pub(super) fn is_current(&self, attempt: &Attempt<'_>) -> bool {
        attempt.execution.job_version == self.snapshot.job.version
    }

    /// Whether anything is wanted running once the plan is applied.
    pub(super) fn runs_something(&self) -> bool {
        self.attempts.iter().any(Attempt::is_live)
            || self.plan.place.iter().any(|placement| placement.desired == DesiredState::Running)
    }

    pub(super) fn standing(&self, node: &NodeId, patience: Duration) -> Standing {
        Standing::of(self.snapshot.nodes.get(node).map(AsRef::as_ref), patience, self.now)
    }

    /// Stops every live execution for which `reason` gives one.
    pub(super) fn stop_each(&mut self, reason: impl Fn(&Self, &Attempt<'a>) -> Option<StopReason>) {
        for at in 0..self.attempts.len() {
            let attempt = self.attempts[at];
            if attempt.is_live()
                && let Some(reason) = reason(self, &attempt)
            {
                self.stop(at, reason);
            }
        }
    }

    /// Stops the execution at this place of [`Self::attempts`].
    pub(super) fn stop(&mut self, at: usize, reason: StopReason) {
        self.attempts[at].stop = Some(reason);
        let id = self.attempts[at].execution.id.clone();
        let message = reason.text();
        self.plan.stop.push(StopChange { execution_id: id.clone(), message: message.clone() });
        let (topic, details) = match reason {
            StopReason::TimedOut(_) => (
                topic::EXEC_TIMEOUT,
                details([("FailsExecution", "true"), ("Hint", message::TIMEOUT_HINT), ("IsError", "true")]),
            ),
            _ => (topic::SCHEDULING, BTreeMap::new()),
        };
        self.execution_event(id, topic, message, details);
    }

    /// Makes an execution on `node`.
    pub(super) fn place(&mut self, node: &'a NodeId, partition: u32) {
        let id = self.push_placement(node, partition, DesiredState::Running, String::new());
        let details = details([("NodeID", node.as_str())]);
        self.execution_event(id, topic::SCHEDULING, message::requested_on(node), details);
    }

    /// Records that `node` should have taken part and could not be asked.
    pub(super) fn record_unreachable(&mut self, node: &'a NodeId) {
        let message = StopReason::Unreachable.text();
        let id = self.push_placement(node, 0, DesiredState::Stopped, message.clone());
        let details = details([("IsError", "true"), ("NodeID", node.as_str())]);
        self.execution_event(id, topic::SCHEDULING, message, details);
    }

    /// Asks to be woken, unless something asked for an earlier time.
    pub(super) fn wake(&mut self, at: Timestamp) {
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Asks to be woken when nodes change, and before long in any case.
    pub(super) fn want_nodes(&mut self) {
        self.plan.short_of_nodes = true;
        self.wake(self.now.after(self.snapshot.settings.queue_backoff));
    }

    pub(super) fn fix_targets(&mut self) {
        self.plan.targets_fixed = true;
    }

    /// Placements so far.
    pub(super) fn placed(&self) -> &[Placement] {
        &self.plan.place
    }

    pub(super) fn complete(&mut self, message: String) {
        let text = match message.as_str() {
            "" => JobState::Completed.as_str().to_owned(),
            more => format!("{}. {more}", JobState::Completed.as_str()),
        };
        self.job_event(topic::STATE_UPDATE, text, new_state(JobState::Completed));
        self.change_job(JobState::Completed, message, BTreeMap::new());
    }

    /// The job waits already and said why not long ago. What it says holds numbers that change with every execution
    /// which ends anywhere, so it may be out of date for a while.
    pub(super) fn said_why_it_waits(&self) -> bool {
        let snapshot = self.snapshot;
        self.says_why_it_waits() && snapshot.written.after(snapshot.settings.queue_backoff) > self.now
    }

    /// The job waits for a node, in `state`; `details` count those there are. The history tells when that began and why;
    /// later reasons replace the job's message.
    pub(super) fn await_nodes(
        &mut self,
        state: JobState,
        message: String,
        details: BTreeMap<String, String>,
    ) {
        if self.says_why_it_waits() {
            if self.snapshot.job.message != message {
                self.change_job(state, message, details);
            }
            return;
        }
        let mut told = new_state(state);
        told.extend(details.clone());
        self.job_event(topic::QUEUEING, message.clone(), told);
        self.change_job(state, message, details);
    }

    /// The job still waits, but not for want of nodes.
    pub(super) fn found_nodes(&mut self) {
        if self.says_why_it_waits() {
            self.change_job(self.snapshot.job.state, String::new(), BTreeMap::new());
        }
    }

    /// A job that was just submitted or updated waits too, and says nothing of nodes yet.
    fn says_why_it_waits(&self) -> bool {
        let job = self.snapshot.job;
        matches!(job.state, JobState::Pending | JobState::Queued) && job.details.contains_key(NODES_AVAILABLE)
    }

    /// The job ends badly, and with it all that it runs.
    pub(super) fn fail(
        &mut self,
        topic: &'static str,
        message: String,
        mut details: BTreeMap<String, String>,
    ) {
        details.insert("IsError".to_owned(), "true".to_owned());
        let mut told = new_state(JobState::Failed);
        told.extend(details.clone());
        self.job_event(topic, message.clone(), told);
        self.change_job(JobState::Failed, message, details);
        self.stop_each(|_, _| Some(StopReason::JobFailed));
    }

    /// The plan. A job that was waiting is Running once anything is wanted running.
    pub(super) fn finish(mut self) -> Plan {
        let waited = matches!(self.job_state(), JobState::Pending | JobState::Queued);
        if waited && self.runs_something() {
            self.job_event(
                topic::STATE_UPDATE,
                JobState::Running.as_str().to_owned(),
                new_state(JobState::Running),
            );
            self.change_job(JobState::Running, String::new(), BTreeMap::new());
        }
        if self.job_state().is_terminal() {
            self.plan.wake_at = None;
            self.plan.short_of_nodes = false;
        }
        self.plan
    }

    fn push_placement(
        &mut self,
        node: &'a NodeId,
        partition: u32,
        desired: DesiredState,
        message: String,
    ) -> ExecutionId {
        let (job, spec) = (self.snapshot.job, self.snapshot.spec);
        let attempt = self.take_attempt(node, partition);
        let id = ExecutionId::derive(&job.id, job.version, node, partition, attempt);
        self.plan.place.push(Placement {
            execution_id: id.clone(),
            node_id: node.clone(),
            partition,
            attempt,
            resources: spec.task.resources.clone(),
            desired,
            message,
        });
        id
    }

    fn take_attempt(&mut self, node: &'a NodeId, partition: u32) -> u32 {
        let snapshot = self.snapshot;
        let counted = self.next_attempt.get_or_insert_with(|| {
            let mut counted = BTreeMap::new();
            let current = |execution: &&&Execution| execution.job_version == snapshot.job.version;
            for execution in snapshot.executions.iter().filter(current) {
                let next = counted.entry((&execution.node_id, execution.partition)).or_insert(0);
                *next = (execution.attempt + 1).max(*next);
            }
            counted
        });
        let next = counted.entry((node, partition)).or_insert(0);
        *next += 1;
        *next - 1
    }

    fn change_job(&mut self, state: JobState, message: String, details: BTreeMap<String, String>) {
        self.plan.job = Some(JobChange { state, message, details });
    }

    fn job_event(&mut self, topic: &'static str, message: String, details: BTreeMap<String, String>) {
        self.plan.events.push(PlannedEvent { level: EventLevel::Job, topic, message, details });
    }

    fn execution_event(
        &mut self,
        id: ExecutionId,
        topic: &'static str,
        message: String,
        details: BTreeMap<String, String>,
    ) {
        self.plan.events.push(PlannedEvent { level: EventLevel::Execution(id), topic, message, details });
    }
}

/// Event details from fixed keys.
pub(super) fn details<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn new_state(state: JobState) -> BTreeMap<String, String> {
    details([("NewState", state.as_str())])
}
