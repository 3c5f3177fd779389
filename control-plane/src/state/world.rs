//! The working set: everything in progress, and every node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bacalhau_protocol::ids::{ExecutionId, JobId, NodeId};
use bacalhau_protocol::model::{Execution, Job, JobSpec, JobType, Membership, NodeInfo, Resources};
use bacalhau_protocol::selector;
use bacalhau_protocol::time::Timestamp;

use super::draft::Draft;
use super::line::{Line, Precedence};
use super::node::NodeRecord;
use crate::scheduler::{NodeView, Nodes, Reachable};
use crate::store::Txn;

/// Ended executions of a long-running job that stay in memory for each node and partition: enough to tell how often it
/// failed lately. A daemon that crashes for a year must not fill the memory.
const KEPT_ENDED_PER_PLACE: usize = 3;

/// Jobs in line that get a look when a node comes or changes: more than a node has room for.
const MAX_LOOKS_OF_WAITING: usize = 256;

/// Executions of a job before ended ones are looked through for the first time.
const FIRST_PRUNE: usize = 64;

/// A job in progress.
#[derive(Clone, Debug)]
pub struct LiveJob {
    /// Who it is and where it stands.
    pub head: Arc<Job>,
    /// The specification of its current version.
    pub spec: Arc<JobSpec>,
    /// Its executions: live ones of any version, ended ones of the current version.
    pub executions: BTreeMap<ExecutionId, Arc<Execution>>,
    /// The last plan wanted nodes that there were not.
    pub short_of_nodes: bool,
    /// How many executions there may be before ended ones are looked through; grows so that the cost stays in
    /// proportion to the changes.
    prune_at: usize,
}

impl LiveJob {
    /// A job as it was read or submitted.
    pub fn new(
        head: Arc<Job>,
        spec: Arc<JobSpec>,
        executions: BTreeMap<ExecutionId, Arc<Execution>>,
    ) -> Self {
        Self { head, spec, executions, short_of_nodes: false, prune_at: FIRST_PRUNE }
    }

    /// What decides when it and other jobs want the same.
    pub fn precedence(&self) -> Precedence {
        Precedence::new(self.spec.priority, self.head.created)
    }

    /// An older version of a job that is replaced bit by bit may still be wanted.
    pub fn is_rolling(&self) -> bool {
        self.head.job_type.is_long_running() && self.head.version > 1
    }

    fn has_current(&self, execution: &ExecutionId) -> bool {
        self.executions.get(execution).is_some_and(|execution| self.is_current(execution))
    }

    /// Something of an older version waits for its turn to be replaced.
    fn is_replacing(&self) -> bool {
        let is_older = |execution: &Execution| execution.is_live() && !self.is_current(execution);
        self.is_rolling() && self.executions.values().any(|execution| is_older(execution))
    }

    fn is_current(&self, execution: &Execution) -> bool {
        execution.is_live() && execution.job_version == self.head.version
    }

    /// Ended, and nothing of it may still run anywhere.
    pub(super) fn is_settled(&self) -> bool {
        self.head.state.is_terminal() && !self.executions.values().any(|execution| execution.may_be_running())
    }
}

/// Everything in progress, and every node. Changed only under the orchestrator's lock.
#[derive(Default)]
pub struct World {
    jobs: BTreeMap<JobId, LiveJob>,
    names: HashMap<(String, String), JobId>,
    /// The job of each execution that may still run.
    running: HashMap<ExecutionId, JobId>,
    running_on: HashMap<NodeId, BTreeMap<ExecutionId, JobId>>,
    daemons: BTreeSet<JobId>,
    waiting: Line,
    records: BTreeMap<NodeId, Arc<NodeRecord>>,
    nodes: Nodes,
}

impl World {
    /// A job in progress.
    pub fn job(&self, id: &JobId) -> Option<&LiveJob> {
        self.jobs.get(id)
    }

    /// The job in progress that holds a name.
    pub fn named(&self, namespace: &str, name: &str) -> Option<&JobId> {
        self.names.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// All jobs in progress.
    pub fn jobs(&self) -> impl Iterator<Item = &JobId> {
        self.jobs.keys()
    }

    /// The job of an execution that may still run.
    pub fn job_of(&self, execution: &ExecutionId) -> Option<&JobId> {
        self.running.get(execution)
    }

    /// Jobs to look at because a node came or changed: what runs on it, and what may gain something, as far as its labels
    /// suit them: daemons, and those who wait, first in line. Others who wait get their look as executions end.
    pub fn concerned_by(&self, node: &NodeId) -> BTreeSet<&JobId> {
        let record = self.records.get(node);
        let suits = |id: &&JobId| {
            let record_and_job = record.zip(self.jobs.get(*id));
            record_and_job
                .is_some_and(|(record, job)| selector::matches(&job.spec.constraints, &record.info.labels))
        };
        let settled: BTreeSet<_> = self.settled_daemons(node).filter(suits).collect();
        let here = self.running_on.get(node).into_iter().flat_map(BTreeMap::values);
        let daemons = self.daemons.iter().filter(suits);
        let waiting = self.waiting.iter().filter(suits).take(MAX_LOOKS_OF_WAITING);
        here.chain(daemons).chain(waiting).filter(|id| !settled.contains(id)).collect()
    }

    /// Jobs to look at because a node fell silent.
    pub fn missing(&self, node: &NodeId) -> BTreeSet<&JobId> {
        let settled: BTreeSet<_> = self.settled_daemons(node).collect();
        let here = self.running_on.get(node).into_iter().flat_map(BTreeMap::values);
        here.filter(|id| !settled.contains(id)).collect()
    }

    /// Daemons that have on this node what they want there, so that its coming and going changes nothing for them: an
    /// execution of the current version, and none of an older one anywhere that waits for its turn to be replaced. Looking
    /// at a daemon costs by the fleet, and each node that comes or goes would have each daemon looked at.
    fn settled_daemons(&self, node: &NodeId) -> impl Iterator<Item = &JobId> {
        let here = self.running_on.get(node).into_iter().flatten();
        let settled = here.filter(|(execution, id)| {
            let job = self.jobs.get(*id).filter(|_| self.daemons.contains(*id));
            job.is_some_and(|job| job.has_current(execution) && !job.is_replacing())
        });
        settled.map(|(_, id)| id)
    }

    /// Jobs that are short of nodes.
    pub fn waiting(&self) -> &Line {
        &self.waiting
    }

    /// Jobs with executions that may run on a node.
    pub fn jobs_on(&self, node: &NodeId) -> BTreeSet<JobId> {
        self.running_on.get(node).map(|executions| executions.values().cloned().collect()).unwrap_or_default()
    }

    /// Executions that may run on a node, wanted or not.
    pub fn executions_on(&self, node: &NodeId) -> Vec<Arc<Execution>> {
        let Some(executions) = self.running_on.get(node) else { return Vec::new() };
        executions.iter().filter_map(|(id, job)| self.jobs.get(job)?.executions.get(id).cloned()).collect()
    }

    /// All nodes as the scheduler sees them.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// What is durable of a node.
    pub fn node(&self, id: &NodeId) -> Option<&Arc<NodeRecord>> {
        self.records.get(id)
    }

    /// What is durable of all nodes.
    pub fn node_records(&self) -> impl Iterator<Item = &Arc<NodeRecord>> {
        self.records.values()
    }

    /// The same of the nodes whose ids are `start` or behind it.
    pub fn node_records_from(&self, start: &str) -> impl Iterator<Item = &Arc<NodeRecord>> {
        self.records.range::<str, _>((Bound::Included(start), Bound::Unbounded)).map(|(_, record)| record)
    }

    /// Takes a job in that was read from the store.
    pub fn insert_job(&mut self, job: LiveJob) {
        let id = job.head.id.clone();
        for execution in job.executions.values() {
            self.track(&id, None, execution);
        }
        self.index(&job);
        self.jobs.insert(id, job);
    }

    /// Takes in that a plan which changed nothing found nodes short, or not.
    pub fn set_short_of_nodes(&mut self, id: &JobId, is_short: bool) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.short_of_nodes = is_short;
            line_up(&mut self.waiting, job, is_short);
        }
    }

    /// The transactions that make a change durable, to be queued in this order before it is applied.
    pub fn txns(&self, draft: &Draft) -> Vec<Txn> {
        let is_settled = || {
            let before = self.jobs.get(&draft.head.id).into_iter().flat_map(|job| job.executions.values());
            let mut unchanged =
                before.map(|execution| &**execution).filter(|old| draft.execution(&old.id).is_none());
            !draft.changed().any(Execution::may_be_running) && !unchanged.any(Execution::may_be_running)
        };
        draft.txns(draft.head.state.is_terminal() && is_settled())
    }

    /// Applies a change. Call it under the same lock as the queueing of its transactions.
    pub fn apply(&mut self, draft: &Draft) {
        let id = draft.head.id.clone();
        let mut job = self.jobs.remove(&id).unwrap_or_else(|| {
            LiveJob::new(Arc::new(draft.head.clone()), draft.spec.clone(), BTreeMap::new())
        });
        job.head = Arc::new(draft.head.clone());
        job.spec = draft.spec.clone();
        job.short_of_nodes = draft.short_of_nodes;
        for execution in draft.executions.values() {
            let execution = Arc::new(execution.clone());
            let before = job.executions.insert(execution.id.clone(), execution.clone());
            self.track(&id, before.as_deref(), &execution);
        }
        if job.executions.len() >= job.prune_at {
            prune(&mut job);
        }
        self.index(&job);
        if job.is_settled() {
            self.unindex(&job.head);
        } else {
            self.jobs.insert(id, job);
        }
    }

    /// Drops a job of which nothing is in progress.
    pub fn settle(&mut self, id: &JobId) {
        if self.jobs.get(id).is_some_and(LiveJob::is_settled) {
            self.withdraw(id);
        }
    }

    /// Forgets a job, for one whose first transaction was refused.
    pub fn withdraw(&mut self, id: &JobId) {
        let Some(job) = self.jobs.remove(id) else { return };
        for execution in job.executions.values().filter(|execution| execution.may_be_running()) {
            self.untrack(execution);
        }
        self.unindex(&job.head);
    }

    /// Takes in what is durable of a node. It keeps its connection, if it has one.
    pub fn put_node(&mut self, record: Arc<NodeRecord>, now: Timestamp) {
        let reachable =
            self.nodes.get(&record.id).map_or(Reachable::Silent { since: now }, |view| view.reachable);
        let allocated = self.allocated(&record.id);
        self.nodes.insert(view(&record, reachable, allocated));
        self.records.insert(record.id.clone(), record);
    }

    /// A node came or went.
    pub fn set_reachable(&mut self, id: &NodeId, reachable: Reachable) {
        let Some(record) = self.records.get(id) else { return };
        let allocated = self.allocated(id);
        self.nodes.insert(view(record, reachable, allocated));
    }

    /// Forgets a node.
    pub fn remove_node(&mut self, id: &NodeId) {
        self.records.remove(id);
        self.nodes.remove(id);
    }

    /// Adds or removes what an execution has set aside, and the ways to find it.
    fn track(&mut self, job: &JobId, before: Option<&Execution>, execution: &Execution) {
        match (before.is_some_and(Execution::may_be_running), execution.may_be_running()) {
            (false, true) => {
                self.running.insert(execution.id.clone(), job.clone());
                let on_node = self.running_on.entry(execution.node_id.clone()).or_default();
                on_node.insert(execution.id.clone(), job.clone());
                self.nodes.allocate(&execution.node_id, &execution.resources);
            }
            (true, false) => self.untrack(execution),
            _ => {}
        }
    }

    fn untrack(&mut self, execution: &Execution) {
        self.running.remove(&execution.id);
        if let Some(on_node) = self.running_on.get_mut(&execution.node_id) {
            on_node.remove(&execution.id);
            if on_node.is_empty() {
                self.running_on.remove(&execution.node_id);
            }
        }
        self.nodes.release(&execution.node_id, &execution.resources);
    }

    fn allocated(&self, node: &NodeId) -> Resources {
        let executions = self.executions_on(node);
        executions.iter().fold(Resources::default(), |sum, execution| sum.plus(&execution.resources))
    }

    fn index(&mut self, job: &LiveJob) {
        let head = &job.head;
        self.names.insert((head.namespace.clone(), head.name.clone()), head.id.clone());
        let is_live = !head.state.is_terminal();
        set(&mut self.daemons, &head.id, is_live && head.job_type == JobType::Daemon);
        line_up(&mut self.waiting, job, is_live && job.short_of_nodes);
    }

    fn unindex(&mut self, head: &Job) {
        self.names.remove(&(head.namespace.clone(), head.name.clone()));
        self.daemons.remove(&head.id);
        self.waiting.remove(&head.id);
    }
}

fn set(ids: &mut BTreeSet<JobId>, id: &JobId, is_in: bool) {
    if is_in {
        ids.insert(id.clone());
    } else {
        ids.remove(id);
    }
}

fn line_up(line: &mut Line, job: &LiveJob, is_in: bool) {
    if is_in {
        line.insert(job.head.id.clone(), job.precedence());
    } else {
        line.remove(&job.head.id);
    }
}

fn view(record: &NodeRecord, reachable: Reachable, allocated: Resources) -> NodeView {
    let info: Arc<NodeInfo> = Arc::new(record.info.clone());
    let membership: Membership = record.membership;
    NodeView { info, membership, reachable, allocated }
}

/// Drops ended executions that no decision needs any more.
fn prune(job: &mut LiveJob) {
    let version = job.head.version;
    job.executions.retain(|_, execution| execution.may_be_running() || execution.job_version == version);
    if job.head.job_type.is_long_running() {
        prune_places(job);
    }
    job.prune_at = FIRST_PRUNE.max(2 * job.executions.len());
}

/// Keeps the last few ended executions of each node and partition.
fn prune_places(job: &mut LiveJob) {
    let mut ended: BTreeMap<(NodeId, u32), Vec<(Timestamp, ExecutionId)>> = BTreeMap::new();
    for execution in job.executions.values().filter(|execution| !execution.may_be_running()) {
        let place = (execution.node_id.clone(), execution.partition);
        ended.entry(place).or_default().push((execution.modified, execution.id.clone()));
    }
    for mut at_place in ended.into_values().filter(|at_place| at_place.len() > KEPT_ENDED_PER_PLACE) {
        at_place.sort();
        let surplus = at_place.len() - KEPT_ENDED_PER_PLACE;
        at_place.into_iter().take(surplus).for_each(|(_, id)| {
            job.executions.remove(&id);
        });
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{DesiredState, JobState, ObservedState};
    use bacalhau_protocol::wire::record::{self, Kind};

    use super::*;

    /// A daemon of this version that has an execution of version 1 on the one node there is.
    fn world(version: u64, constraint: &str) -> (World, NodeId) {
        let head: Job = sample(Kind::Job, include_bytes!("../../../protocol/golden/record-job.bin"));
        let spec: JobSpec =
            sample(Kind::JobSpec, include_bytes!("../../../protocol/golden/record-job-spec.bin"));
        let node: NodeRecord = sample(Kind::Node, include_bytes!("../../golden/record-node.bin"));
        let execution: Execution =
            sample(Kind::Execution, include_bytes!("../../../protocol/golden/record-execution.bin"));
        let execution = Execution {
            job_id: head.id.clone(),
            job_version: 1,
            node_id: node.id.clone(),
            desired: DesiredState::Running,
            observed: ObservedState::Running,
            ..execution
        };
        let head = Job { job_type: JobType::Daemon, version, state: JobState::Running, ended: None, ..head };
        let constraints = bacalhau_protocol::selector::parse(constraint).unwrap();
        let spec = JobSpec { job_type: JobType::Daemon, constraints, ..spec };
        let (mut world, id) = (World::default(), node.id.clone());
        world.put_node(Arc::new(node), Timestamp(1));
        let executions = [(execution.id.clone(), Arc::new(execution))].into();
        world.insert_job(LiveJob::new(Arc::new(head), Arc::new(spec), executions));
        (world, id)
    }

    fn sample<T: serde::de::DeserializeOwned>(kind: Kind, bytes: &[u8]) -> T {
        record::decode(kind, bytes).unwrap()
    }

    #[test]
    fn a_daemon_is_looked_at_for_a_node_only_if_that_may_change_something() {
        let looks =
            |(world, node): (World, NodeId)| (world.concerned_by(&node).len(), world.missing(&node).len());
        assert_eq!(looks(world(1, "")), (0, 0), "it has there what it wants");
        assert_eq!(looks(world(2, "")), (1, 1), "an older version is there");
        assert_eq!(looks(world(1, "no=such")), (1, 0), "the node's labels do not suit it any more");
        let (mut world, node) = world(1, "");
        let head = world.jobs.values().next().unwrap().head.clone();
        let job = LiveJob::new(head, world.jobs.values().next().unwrap().spec.clone(), BTreeMap::new());
        world.jobs.insert(job.head.id.clone(), job);
        assert_eq!(looks((world, node)), (1, 1), "nothing is there");
    }
}
