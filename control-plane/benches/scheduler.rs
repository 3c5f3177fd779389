//! What one evaluation costs with ten thousand nodes: the plan alone, no store and no network.
//!
//! `cargo bench --bench scheduler`

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bacalhau_control_plane::scheduler::{
    Evaluation, NodeView, Nodes, Plan, Reachable, Settings, Snapshot, plan,
};
use bacalhau_protocol::ids::{EvaluationId, JobId, NodeId};
use bacalhau_protocol::model::{
    BuildInfo, DesiredState, Execution, Job, JobSpec, JobState, JobType, Membership, Network, NodeInfo,
    ObservedState, Resources, SpecConfig, Task, Timeouts,
};
use bacalhau_protocol::selector;
use bacalhau_protocol::time::Timestamp;

const NODES: u64 = 10_000;
/// How long each measurement runs.
const SPAN: Duration = Duration::from_secs(2);
const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

fn main() {
    let nodes = fleet();
    println!("{NODES} nodes, 10 labels each");
    measure("fleet: one node's allocation changes", || {
        let mut changed = nodes.clone();
        changed.allocate(&node_id(NODES / 2), &task_resources());
        changed
    });
    measure("batch, 1 partition", || decide(&nodes, &spec(JobType::Batch, 1, ""), &[]));
    measure("batch, 1 partition, 1 node in 100 matches", || {
        decide(&nodes, &spec(JobType::Batch, 1, "site=7"), &[])
    });
    measure("batch, 1000 partitions", || decide(&nodes, &spec(JobType::Batch, 1000, ""), &[]));
    measure("batch, nothing matches", || decide(&nodes, &spec(JobType::Batch, 1, "site=none"), &[]));
    measure("ops, every node", || decide(&nodes, &spec(JobType::Ops, 0, ""), &[]));
    measure("ops, 1 node in 100 matches", || decide(&nodes, &spec(JobType::Ops, 0, "site=7"), &[]));
    let (daemon, mut running) = everywhere(&nodes, JobType::Daemon);
    running.pop();
    measure("daemon, every node has it but one", || decide(&nodes, &daemon, &running));
    let (ops, mut answers) = everywhere(&nodes, JobType::Ops);
    answers.iter_mut().skip(1).for_each(|answer| answer.observed = ObservedState::Completed);
    measure("ops, every node has answered but one", || decide(&nodes, &ops, &answers));
}

/// Prints how long `work` takes on average, and how many placements a plan held.
fn measure<T: Measured>(what: &str, work: impl Fn() -> T) {
    let placed = work().placements();
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    let clock = Instant::now;
    let (start, mut runs) = (clock(), 0_u32);
    while start.elapsed() < SPAN {
        black_box(work());
        runs += 1;
    }
    println!("{what:<44} {:>12.1?}  {placed} placed", start.elapsed() / runs);
}

trait Measured {
    fn placements(&self) -> usize;
}

impl Measured for Plan {
    fn placements(&self) -> usize {
        self.place.len()
    }
}

impl Measured for Nodes {
    fn placements(&self) -> usize {
        0
    }
}

fn decide(nodes: &Nodes, spec: &JobSpec, executions: &[Execution]) -> Plan {
    let (job, settings) = (job(spec, !executions.is_empty()), Settings::default());
    let snapshot = Snapshot {
        job: &job,
        written: job.modified,
        spec,
        executions: executions.iter().collect(),
        nodes,
        settings: &settings,
    };
    let evaluation = Evaluation { id: EvaluationId::from_random([0; 16]), seed: 42 };
    plan(&snapshot, &evaluation, NOW)
}

fn fleet() -> Nodes {
    let mut nodes = Nodes::default();
    (0..NODES).for_each(|number| nodes.insert(node(number)));
    nodes
}

fn node_id(number: u64) -> NodeId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    NodeId::from_random(bytes)
}

fn node(number: u64) -> NodeView {
    let id = node_id(number);
    let mut labels: BTreeMap<_, _> =
        (0..7).map(|label| (format!("label-{label}"), (number % 5).to_string())).collect();
    labels.insert("name".to_owned(), id.to_string());
    labels.insert("os_arch".to_owned(), "arm64".to_owned());
    labels.insert("site".to_owned(), (number % 100).to_string());
    let capacity = Resources { cpu_millis: 4000, memory_bytes: 512_000_000, ..Resources::default() };
    let info = NodeInfo {
        node_id: id,
        labels,
        engines: vec!["wasm".to_owned()],
        engines_unavailable: BTreeMap::new(),
        publishers: vec!["local".to_owned()],
        sources: vec!["inline".to_owned(), "localDirectory".to_owned()],
        accepts_networked: false,
        capacity: capacity.clone(),
        max_job: capacity,
        build: BuildInfo::default(),
        engine_profile: String::new(),
    };
    let allocated = Resources { cpu_millis: number % 8 * 500, ..Resources::default() };
    let (membership, reachable) = (Membership::Approved, Reachable::Connected);
    NodeView { info: Arc::new(info), membership, reachable, allocated }
}

fn task_resources() -> Resources {
    Resources { cpu_millis: 500, memory_bytes: 64_000_000, ..Resources::default() }
}

fn spec(job_type: JobType, count: u32, constraints: &str) -> JobSpec {
    let task = Task {
        name: "main".to_owned(),
        engine: SpecConfig { kind: "wasm".to_owned(), params: String::new() },
        publisher: SpecConfig { kind: "local".to_owned(), params: String::new() },
        env: BTreeMap::new(),
        meta: BTreeMap::new(),
        inputs: Vec::new(),
        results: Vec::new(),
        resources_text: Default::default(),
        resources: task_resources(),
        network: Network::default(),
        timeouts: Timeouts::default(),
    };
    JobSpec {
        job_type,
        priority: 0,
        count,
        constraints: selector::parse(constraints).expect("written above"),
        meta: BTreeMap::new(),
        labels: BTreeMap::new(),
        task,
    }
}

fn job(spec: &JobSpec, targets_fixed: bool) -> Job {
    Job {
        id: JobId::from_random([1; 16]),
        name: "bench".to_owned(),
        namespace: "default".to_owned(),
        submitter: String::new(),
        job_type: spec.job_type,
        version: 1,
        state: JobState::Pending,
        message: String::new(),
        details: BTreeMap::new(),
        revision: 1,
        history: 0,
        created: NOW,
        version_created: NOW,
        modified: NOW,
        ended: None,
        targets_fixed,
    }
}

/// A job and its executions, running on every node.
fn everywhere(nodes: &Nodes, job_type: JobType) -> (JobSpec, Vec<Execution>) {
    let spec = spec(job_type, 0, "");
    let job = job(&spec, true);
    let placed = decide(nodes, &spec, &[]).place;
    let running = placed.into_iter().map(|placement| Execution {
        id: placement.execution_id,
        job_id: job.id.clone(),
        job_version: job.version,
        node_id: placement.node_id,
        evaluation_id: EvaluationId::from_random([0; 16]),
        partition: placement.partition,
        attempt: placement.attempt,
        resources: placement.resources,
        desired: DesiredState::Running,
        desired_message: String::new(),
        generation: 1,
        observed: ObservedState::Running,
        observed_message: String::new(),
        observed_sequence: 1,
        published: None,
        output: None,
        revision: 1,
        created: NOW,
        modified: NOW,
    });
    (spec, running.collect())
}
