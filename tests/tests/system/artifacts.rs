//! Devices without a compiler run what the control plane has compiled for them.

use bacalhau_agent::Agent;
use bacalhau_agent::config::{Config, JoinToken, Name, Orchestrator};
use bacalhau_agent::executor::wasm::LocalCompiler;
use bacalhau_protocol::api::Connection;
use bacalhau_protocol::ids::NodeId;

use crate::harness::{Cluster, eventually, guests, job};

fn device(cluster: &Cluster, name: &str) -> Config {
    Config {
        name: Name::Chosen(NodeId::parse(name).unwrap()),
        orchestrators: vec![Orchestrator::parse(&cluster.fleet_address()).unwrap()],
        join: Some(JoinToken::parse(&cluster.join_string()).unwrap()),
        compiler: LocalCompiler::None,
        ..Config::new(cluster.path(name))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_compiled_for_a_device_that_cannot() {
    let cluster = Cluster::start(&[]).await;
    let config = device(&cluster, "edge-1");
    let agent = Agent::start(config.clone()).await.unwrap();
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;

    let answer = job::of("batch", &guests::hello("compiled elsewhere"));
    let id = cluster.submit(&answer).await;
    assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Completed");
    assert_eq!(cluster.executions(&id).await[0].run_output.stdout, "compiled elsewhere");
    let bad = cluster.submit(&job::of_bytes("ops", b"\0asm\x01\0\0\0rubbish")).await;
    assert_eq!(cluster.ended(&bad).await.state.state_type.as_str(), "Failed");
    let message = &cluster.executions(&bad).await[0].compute_state.message;
    assert!(message.contains("compile"), "{message}");
    agent.shutdown().await;

    // What was fetched is kept. A program that another test is just starting shares this process's locks for a moment.
    let agent = eventually("the agent starts again", async || {
        Agent::start(config.clone()).await.map_err(|error| error.to_string())
    })
    .await;
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    let again = cluster.submit(&answer).await;
    assert_eq!(cluster.ended(&again).await.state.state_type.as_str(), "Completed");
    agent.shutdown().await;
}
