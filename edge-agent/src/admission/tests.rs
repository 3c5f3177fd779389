use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::{
    InputSource, JobType, Network, NetworkType, ResourcesText, SpecConfig, Timeouts,
};
use bacalhau_protocol::spec::data_url::BlobRef;
use futures_util::future::BoxFuture;

use super::*;
use crate::executor::{Executor, RunningTask, StartError, TaskRun};
use crate::storage::Blobs;

struct Broken;

impl Executor for Broken {
    fn kind(&self) -> &'static str {
        "docker"
    }

    fn availability(&self) -> BoxFuture<'_, Availability> {
        Box::pin(async { Availability::Unavailable("the engine does not answer".to_owned()) })
    }

    fn start(&self, _: TaskRun) -> BoxFuture<'_, Result<RunningTask, StartError>> {
        unreachable!("admission starts nothing")
    }

    fn clean_up<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        unreachable!("admission cleans nothing up")
    }
}

struct NoBlobs;

impl Blobs for NoBlobs {
    fn fetch(&self, _: BlobRef) -> BoxFuture<'_, Result<PathBuf, String>> {
        unreachable!("admission fetches nothing")
    }
}

pub(crate) fn work() -> Work {
    Work {
        job_id: JobId::parse("j1").unwrap(),
        job_name: "j1".to_owned(),
        namespace: "default".to_owned(),
        job_type: JobType::Ops,
        job_version: 1,
        priority: 0,
        partition: 0,
        count: 0,
        task: Task {
            name: "main".to_owned(),
            engine: SpecConfig { kind: "docker".to_owned(), params: String::new() },
            publisher: SpecConfig::default(),
            env: BTreeMap::new(),
            meta: BTreeMap::new(),
            inputs: Vec::new(),
            results: Vec::new(),
            resources_text: ResourcesText::default(),
            resources: Resources { cpu_millis: 500, ..Resources::default() },
            network: Network::default(),
            timeouts: Timeouts::default(),
        },
    }
}

fn policy(executors: Vec<Arc<dyn Executor>>) -> Policy {
    Policy {
        admission: Admission::default(),
        executors: Executors::new(executors),
        sources: Sources::new(Vec::new(), Arc::new(NoBlobs), &[]),
        publishers: Publishers::default(),
        env: EnvAllowList::default(),
        capacity: Resources { cpu_millis: 400, ..Resources::default() },
    }
}

#[tokio::test]
async fn every_reason_is_told_at_once() {
    let mut policy = policy(vec![Arc::new(Broken)]);
    policy.admission.local_data_only = true;
    let mut work = work();
    work.task.network = Network { network_type: NetworkType::Host, ..Network::default() };
    work.task.publisher.kind = "s3".to_owned();
    work.task.env.insert("A".to_owned(), "env:SECRET".to_owned());
    work.task.inputs.push(InputSource {
        source: SpecConfig { kind: "ipfs".to_owned(), params: String::new() },
        alias: String::new(),
        target: "/in".to_owned(),
    });
    let expected = [
        "rejected bid: this node does not run jobs that require network access",
        "rejected bid: this node does not support \"s3\"",
        "rejected bid: this node does not support \"ipfs\"",
        "rejected bid: this node does not support \"docker\": the engine does not answer",
        "rejected bid: this node does not resolve environment variable SECRET: it is not in Compute.Env.AllowList",
    ];
    assert_eq!(policy.refusals(&work).await, expected);
}

#[tokio::test]
async fn a_task_larger_than_the_node_is_refused() {
    let mut work = work();
    work.task.engine.kind = "wasm".to_owned();
    let mut policy = policy(Vec::new());
    assert_eq!(policy.refusals(&work).await, ["rejected bid: this node does not support \"wasm\""]);
    work.task.engine.kind = "docker".to_owned();
    policy.executors = Executors::default();
    policy.capacity = Resources::default();
    let mut reasons = Vec::new();
    policy.check_capacity(&work.task, &mut reasons);
    assert!(reasons[0].starts_with("insufficient resources - requested: {CPU: 0.500"), "{reasons:?}");
}
