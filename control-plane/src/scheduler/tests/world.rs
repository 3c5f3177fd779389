//! One job, a few nodes and a clock. Applies plans as the orchestrator does, and lets nodes report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::{EvaluationId, ExecutionId, JobId, NodeId};
use bacalhau_protocol::model::{
    BuildInfo, DesiredState, Execution, Job, JobSpec, JobState, JobType, Membership, Network, NodeInfo,
    ObservedState, Resources, SpecConfig, Task, Timeouts,
};
use bacalhau_protocol::time::Timestamp;

use crate::scheduler::{
    ENDED_UNASKED, Evaluation, NodeView, Nodes, Plan, Reachable, Settings, Snapshot, plan,
};

#[derive(Debug)]
pub(in crate::scheduler) struct World {
    pub(in crate::scheduler) now: Timestamp,
    pub(in crate::scheduler) job: Job,
    pub(in crate::scheduler) spec: JobSpec,
    pub(in crate::scheduler) nodes: BTreeMap<NodeId, NodeView>,
    pub(in crate::scheduler) executions: BTreeMap<ExecutionId, Execution>,
    pub(in crate::scheduler) settings: Settings,
    pub(in crate::scheduler) seed: u64,
}

pub(in crate::scheduler) fn node_id(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

/// A task that needs half a core and nothing else.
pub(in crate::scheduler) fn spec(job_type: JobType, count: u32) -> JobSpec {
    let task = Task {
        name: "main".to_owned(),
        engine: SpecConfig { kind: "wasm".to_owned(), params: String::new() },
        publisher: SpecConfig::default(),
        env: BTreeMap::new(),
        meta: BTreeMap::new(),
        inputs: Vec::new(),
        results: Vec::new(),
        resources_text: Default::default(),
        resources: Resources { cpu_millis: 500, ..Resources::default() },
        network: Network::default(),
        timeouts: Timeouts::default(),
    };
    JobSpec {
        job_type,
        priority: 0,
        count,
        constraints: Vec::new(),
        meta: BTreeMap::new(),
        labels: BTreeMap::new(),
        task,
    }
}

/// A connected and approved WASM node with one core and 1 GB.
pub(in crate::scheduler) fn node(name: &str) -> NodeView {
    let capacity =
        Resources { cpu_millis: 1000, memory_bytes: 1_000_000_000, disk_bytes: 0, gpu: 0, gpus: Vec::new() };
    let info = NodeInfo {
        node_id: node_id(name),
        labels: BTreeMap::new(),
        engines: vec!["wasm".to_owned()],
        engines_unavailable: BTreeMap::new(),
        publishers: vec!["local".to_owned()],
        sources: vec!["localDirectory".to_owned()],
        accepts_networked: false,
        capacity: capacity.clone(),
        max_job: capacity,
        build: BuildInfo::default(),
        engine_profile: String::new(),
    };
    NodeView {
        info: Arc::new(info),
        membership: Membership::Approved,
        reachable: Reachable::Connected,
        allocated: Resources::default(),
    }
}

fn job(spec: &JobSpec, now: Timestamp) -> Job {
    Job {
        id: JobId::parse("j").unwrap(),
        name: "j".to_owned(),
        namespace: "default".to_owned(),
        submitter: String::new(),
        job_type: spec.job_type,
        version: 1,
        state: JobState::Pending,
        message: String::new(),
        details: BTreeMap::new(),
        revision: 1,
        history: 0,
        created: now,
        version_created: now,
        modified: now,
        ended: None,
        targets_fixed: false,
    }
}

impl World {
    pub(in crate::scheduler) fn new(spec: JobSpec) -> Self {
        let now = Timestamp(1_000_000_000_000_000_000);
        Self {
            now,
            job: job(&spec, now),
            spec,
            nodes: BTreeMap::new(),
            executions: BTreeMap::new(),
            settings: Settings::default(),
            seed: 7,
        }
    }

    /// Another job, as if the one before had never been.
    pub(in crate::scheduler) fn start(&mut self, spec: JobSpec) {
        self.job = job(&spec, self.now);
        self.spec = spec;
        self.executions.clear();
    }

    pub(in crate::scheduler) fn add(&mut self, view: NodeView) {
        self.nodes.insert(view.info.node_id.clone(), view);
    }

    pub(in crate::scheduler) fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    /// A new version of the specification as it stands.
    pub(in crate::scheduler) fn update(&mut self) {
        self.job.version += 1;
        self.job.revision += 1;
        self.job.version_created = self.now;
        self.job.targets_fixed = false;
        self.set_state(JobState::Pending, "updated");
    }

    pub(in crate::scheduler) fn set_state(&mut self, state: JobState, message: &str) {
        self.job.state = state;
        self.job.message = message.to_owned();
        self.job.details.clear();
    }

    pub(in crate::scheduler) fn plan(&self) -> Plan {
        self.plan_in_order(|_| {})
    }

    /// Plans with the executions of the snapshot in another order.
    pub(in crate::scheduler) fn plan_in_order(&self, arrange: impl FnOnce(&mut Vec<&Execution>)) -> Plan {
        let nodes = self.scheduler_nodes();
        let relevant =
            |execution: &&Execution| execution.may_be_running() || execution.job_version == self.job.version;
        let mut executions: Vec<_> = self.executions.values().filter(relevant).collect();
        arrange(&mut executions);
        let snapshot = Snapshot {
            job: &self.job,
            written: self.job.modified,
            spec: &self.spec,
            executions,
            nodes: &nodes,
            settings: &self.settings,
        };
        let evaluation = Evaluation { id: EvaluationId::parse("ev").unwrap(), seed: self.seed };
        plan(&snapshot, &evaluation, self.now)
    }

    pub(in crate::scheduler) fn apply(&mut self, plan: &Plan) {
        for stop in &plan.stop {
            let execution =
                self.executions.get_mut(&stop.execution_id).expect("only known executions are stopped");
            execution.desired = DesiredState::Stopped;
            execution.desired_message = stop.message.clone();
            execution.generation += 1;
            execution.modified = self.now;
        }
        for placement in &plan.place {
            let execution = Execution {
                id: placement.execution_id.clone(),
                job_id: self.job.id.clone(),
                job_version: self.job.version,
                node_id: placement.node_id.clone(),
                evaluation_id: EvaluationId::parse("ev").unwrap(),
                partition: placement.partition,
                attempt: placement.attempt,
                resources: placement.resources.clone(),
                desired: placement.desired,
                desired_message: placement.message.clone(),
                generation: 1,
                observed: ObservedState::Unheard,
                observed_message: String::new(),
                observed_sequence: 0,
                published: None,
                output: None,
                revision: 1,
                created: self.now,
                modified: self.now,
            };
            let known = self.executions.insert(execution.id.clone(), execution);
            assert!(known.is_none(), "an execution is made twice");
        }
        if let Some(change) = &plan.job {
            self.set_state(change.state, &change.message);
            self.job.details = change.details.clone();
            self.job.revision += 1;
            self.job.modified = self.now;
        }
        self.job.targets_fixed = plan.targets_fixed;
    }

    pub(in crate::scheduler) fn report(&mut self, id: &ExecutionId, observed: ObservedState, message: &str) {
        let execution = self.executions.get_mut(id).expect("only known executions are reported");
        execution.observed = observed;
        execution.observed_message = message.to_owned();
        execution.modified = self.now;
        if observed.is_terminal() && execution.desired != DesiredState::Stopped {
            execution.desired = DesiredState::Stopped;
            execution.desired_message = match observed {
                ObservedState::Stopped => ENDED_UNASKED,
                _ => "execution ended",
            }
            .to_owned();
        }
    }

    fn scheduler_nodes(&self) -> Nodes {
        let mut nodes = Nodes::default();
        self.nodes.values().for_each(|view| nodes.insert(view.clone()));
        for execution in self.executions.values().filter(|execution| execution.may_be_running()) {
            nodes.allocate(&execution.node_id, &execution.resources);
        }
        nodes
    }
}
