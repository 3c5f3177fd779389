//! The orchestrator over stores in memory: what callers and nodes see, and what a restart finds.

mod disk;
mod jobs;
mod nodes;
mod reports;
mod retention;
mod slow_disk;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, JobId, NodeId};
use bacalhau_protocol::model::{
    BuildInfo, DesiredState, Execution, JobSpec, JobState, JobType, Membership, Network, NodeInfo, NodeUsage,
    Observation, ObservedState, Resources, ResourcesText, SpecConfig, Task, Timeouts,
};

use super::*;
use crate::clock;
use crate::state::{HistoryEntry, HistoryQuery};
use crate::store::{MemoryStore, Txn};

fn resources(cpu_millis: u64) -> Resources {
    Resources { cpu_millis, memory_bytes: cpu_millis, ..Resources::default() }
}

fn info(name: &str) -> NodeInfo {
    NodeInfo {
        node_id: NodeId::parse(name).unwrap(),
        labels: BTreeMap::new(),
        engines: vec!["wasm".to_owned()],
        engines_unavailable: BTreeMap::new(),
        publishers: Vec::new(),
        sources: Vec::new(),
        accepts_networked: false,
        capacity: resources(4000),
        max_job: resources(4000),
        build: BuildInfo::default(),
        engine_profile: String::new(),
    }
}

fn spec(job_type: JobType, count: u32) -> JobSpec {
    JobSpec {
        job_type,
        priority: 0,
        count,
        constraints: Vec::new(),
        meta: BTreeMap::new(),
        labels: BTreeMap::new(),
        task: Task {
            name: "main".to_owned(),
            engine: SpecConfig { kind: "wasm".to_owned(), params: String::new() },
            publisher: SpecConfig::default(),
            env: BTreeMap::new(),
            meta: BTreeMap::new(),
            inputs: Vec::new(),
            results: Vec::new(),
            resources_text: ResourcesText::default(),
            resources: resources(100),
            network: Network::default(),
            timeouts: Timeouts::default(),
        },
    }
}

fn submission(name: Option<&str>, spec: JobSpec) -> Submission {
    Submission {
        name: name.map(str::to_owned),
        namespace: "default".to_owned(),
        custom_id: None,
        spec,
        submitter: String::new(),
        force: false,
    }
}

async fn start(store: Arc<dyn Store>) -> Orchestrator {
    Orchestrator::start(store, Settings::default(), Duration::from_secs(3600), clock::now()).await.unwrap()
}

async fn with_nodes(names: &[&str]) -> Orchestrator {
    let orchestrator = start(Arc::new(MemoryStore::new())).await;
    for name in names {
        join(&orchestrator, name, false).await;
    }
    orchestrator
}

async fn join(orchestrator: &Orchestrator, name: &str, manual_approval: bool) {
    let info = info(name);
    let guest = Guest { info: &info, key: name, has_secret: true, manual_approval };
    let greeted = orchestrator.greet(&guest).unwrap();
    greeted.commit.unwrap().durable().await.unwrap();
    orchestrator.node_connected(&info.node_id, NodeUsage::default());
}

async fn executions(orchestrator: &Orchestrator, job: &JobId) -> Vec<Execution> {
    orchestrator.reader().executions(job).await.unwrap()
}

async fn history(orchestrator: &Orchestrator, job: &JobId) -> Vec<HistoryEntry> {
    let head = orchestrator.reader().head(job).await.unwrap().unwrap();
    let query = HistoryQuery { after: 0, limit: usize::MAX, version: None };
    orchestrator.reader().history(&head, &query, |_| true).await.unwrap().entries
}

async fn state(orchestrator: &Orchestrator, job: &JobId) -> JobState {
    orchestrator.reader().head(job).await.unwrap().unwrap().state
}

fn observation(id: &ExecutionId, state: ObservedState) -> Observation {
    Observation {
        execution_id: id.clone(),
        generation: 1,
        state,
        message: String::new(),
        events: Vec::new(),
        output: None,
        published: None,
    }
}

async fn report(
    orchestrator: &Orchestrator,
    execution: &Execution,
    sequence: u64,
    state: ObservedState,
) -> bool {
    let observed =
        orchestrator.observe(&execution.node_id, sequence, observation(&execution.id, state)).unwrap();
    match observed {
        Observed::Commit(commit) => commit.durable().await.is_ok(),
        Observed::Unwanted(_) => false,
    }
}

/// Runs evaluations until none is due.
fn settle(orchestrator: &Orchestrator) {
    while let Ok(job) = orchestrator.inner.broker.next(clock::now()) {
        orchestrator.evaluate_now(&job);
    }
}
