use std::sync::Arc;

use bacalhau_protocol::model::{JobType, NetworkType, SpecConfig};
use futures_util::future::BoxFuture;

use super::*;
use crate::clock::Clock;
use crate::config::AllowedPath;
use crate::execution::fixtures::work;
use crate::executor::{Executor, RunningTask, StartError, TaskRun};
use crate::storage::LocalStorage;

/// An engine that answers whether it is there and does nothing else.
struct Engine {
    kind: &'static str,
    availability: Availability,
}

impl Executor for Engine {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn availability(&self) -> BoxFuture<'_, Availability> {
        Box::pin(std::future::ready(self.availability.clone()))
    }

    fn start(&self, _: TaskRun) -> BoxFuture<'_, Result<RunningTask, StartError>> {
        Box::pin(std::future::ready(Err(StartError::Node("this engine runs nothing".into()))))
    }

    fn clean_up<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn admission() -> Admission {
    let wasm = Engine { kind: "wasm", availability: Availability::Ready };
    let docker = Engine { kind: "docker", availability: Availability::Unavailable("no daemon".into()) };
    let allowed = [AllowedPath::parse("/proc/self/**").unwrap()];
    Admission {
        policy: config::Admission::default(),
        probes: Probes::new(&config::Admission::default(), Clock::new(None)),
        executors: Executors::new(vec![Arc::new(wasm), Arc::new(docker)]),
        storages: Storages::new(vec![Arc::new(LocalStorage::new(&allowed))]),
        publishers: Publishers::default(),
        host_variables: HostVariables::new(&["AWS_*".to_owned()]),
    }
}

fn input(kind: &str, path: &str) -> InputSource {
    let source = SpecConfig { kind: kind.into(), params: format!(r#"{{"SourcePath": "{path}"}}"#) };
    InputSource { source, alias: String::new(), target: "/inputs".into() }
}

async fn decide(admission: &Admission, change: impl FnOnce(&mut Task)) -> Result<(), String> {
    let mut work = work(JobType::Batch);
    change(&mut work.task);
    let capacity = Resources { cpu_millis: 1000, memory_bytes: 1 << 30, ..Resources::default() };
    admission.decide(&NodeId::parse("node-1").unwrap(), &work, &capacity).await
}

#[tokio::test]
async fn an_ordinary_task_is_taken() {
    assert_eq!(decide(&admission(), |_| {}).await, Ok(()));
}

#[tokio::test]
async fn each_policy_says_what_this_node_does_not_do() {
    let admission = admission();
    let refused = |text: &str| Err(format!("rejected bid: this node does not {text}"));
    let network = decide(&admission, |task| task.network.network_type = NetworkType::Host).await;
    assert_eq!(network, refused("run jobs that require network access"));
    let publisher = decide(&admission, |task| task.publisher.kind = "s3".into()).await;
    assert_eq!(publisher, refused("support \"s3\""));
    let source = decide(&admission, |task| task.inputs.push(input("ipfs", ""))).await;
    assert_eq!(source, refused("support \"ipfs\""));
    let path = decide(&admission, |task| task.inputs.push(input("local", "/etc"))).await;
    assert_eq!(path, refused("accept the input for /inputs: volume /etc is not allowlisted"));
    let engine = decide(&admission, |task| task.engine.kind = "docker".into()).await;
    assert_eq!(engine, refused("support \"docker\": no daemon"));
    let engine = decide(&admission, |task| task.engine.kind = "python".into()).await;
    assert_eq!(engine, refused("support \"python\""));
    let variable = decide(&admission, |task| drop(task.env.insert("KEY".into(), "env:HOME".into()))).await;
    let reason = "environment variable 'HOME' is not on the allow-list Compute.Env.AllowList";
    assert_eq!(variable, refused(&format!("resolve environment variable KEY: {reason}")));
}

#[tokio::test]
async fn policies_of_the_operator_are_kept() {
    let mut admission = admission();
    admission.policy.reject_stateless = true;
    admission.policy.accept_networked = true;
    let stateless = decide(&admission, |task| task.network.network_type = NetworkType::Host).await;
    let reason = "rejected bid: this node does not accept jobs without any input volumes";
    assert_eq!(stateless, Err(reason.into()));
    admission.policy.local_data_only = true;
    let remote = decide(&admission, |task| task.inputs.push(input("ipfs", ""))).await.unwrap_err();
    assert!(remote.ends_with("have all input data locally (1 inputs require downloading)"), "{remote}");
}

#[tokio::test]
async fn all_reasons_are_told_at_once_and_size_only_when_there_are_none() {
    let admission = admission();
    let both = decide(&admission, |task| {
        task.resources.cpu_millis = 2000;
        task.network.network_type = NetworkType::Full;
        task.publisher.kind = "s3".into();
    });
    assert_eq!(
        both.await.unwrap_err(),
        "rejected bid: this node does not run jobs that require network access; \
         rejected bid: this node does not support \"s3\""
    );
    let large = decide(&admission, |task| task.resources.cpu_millis = 2000);
    assert_eq!(
        large.await.unwrap_err(),
        "insufficient resources - requested: {CPU: 2, Memory: 104.8 MB, Disk: 0 B, GPU: 0}, \
         available: {CPU: 1, Memory: 1 GB, Disk: 0 B, GPU: 0}"
    );
}
