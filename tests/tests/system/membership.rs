//! Who may join, and what happens to those who may no longer.

use std::fs;

use bacalhau_cli::client::{NodeAction, NodeListQuery};
use bacalhau_protocol::api::{Connection, NodeState};

use crate::harness::{CONTROL_PLANE, Cluster, eventually, guests, job, seen};

const MANUAL: &str = "Orchestrator.NodeManager.ManualApproval=true";

#[tokio::test]
async fn a_wrong_secret_or_authority_is_refused_and_can_be_mended() {
    let mut cluster = Cluster::start(&[]).await;
    let join = cluster.join_string();
    let (fingerprint, secret) = join.split_once('.').unwrap();
    let wrong_secret = format!("Compute.Auth.Token={fingerprint}.{}", "x".repeat(secret.len()));
    let wrong_authority = format!("Compute.Auth.Token={}.{secret}", "0".repeat(fingerprint.len()));

    cluster.add_agent("edge-1", &[&wrong_secret]).await;
    cluster.add_agent("edge-2", &[&wrong_authority]).await;

    cluster.log_has("edge-1", "the join secret is missing or wrong").await;
    // The agent names the authority it met, so that a person can compare.
    cluster.log_has("edge-2", fingerprint).await;
    let nodes = cluster.client.nodes(&NodeListQuery::default()).await.unwrap().nodes;
    assert!(nodes.is_empty(), "{nodes:?}");
    for name in ["edge-1", "edge-2"] {
        cluster.terminate(name).await;
        cluster.add_agent(name, &[]).await;
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
    }
}

#[tokio::test]
async fn a_node_that_waits_for_approval_runs_nothing() {
    let mut cluster = Cluster::start(&[MANUAL]).await;
    cluster.add_agent("edge-1", &[]).await;
    cluster.node_is("edge-1", "PENDING", Connection::Connected).await;

    let ops = cluster.submit(&job::of("ops", &guests::hello("x"))).await;
    let batch = cluster.submit(&job::of("batch", &guests::hello("x"))).await;

    assert_eq!(cluster.ended(&ops).await.state.state_type.as_str(), "Failed");
    assert!(cluster.executions(&batch).await.is_empty());
    cluster.approve("edge-1").await;
    cluster.log_has("edge-1", "changed this node's membership").await;
    cluster.log_has(CONTROL_PLANE, "an administrator decided about the node").await;
    assert_eq!(cluster.ended(&batch).await.state.state_type.as_str(), "Completed");
}

#[tokio::test]
async fn another_key_takes_over_a_name_only_when_it_is_let() {
    let mut cluster = Cluster::with_agents(&["edge-1"]).await;
    let first = cluster.node_is("edge-1", "APPROVED", Connection::Connected).await.key_fingerprint;
    cluster.terminate("edge-1").await;
    fs::rename(cluster.path("edge-1"), cluster.path("edge-1-before")).unwrap();

    cluster.start_again("edge-1").await;
    let what = "the other key is shown";
    let node = cluster.node_when(what, "edge-1", |node| !node.refused_key_fingerprint.is_empty()).await;
    assert_eq!(node.key_fingerprint, first);
    assert_eq!(node.connection, Connection::Disconnected);
    let second = node.refused_key_fingerprint;
    assert_ne!(second, first);
    let described = cluster.ask(&["node", "describe", "edge-1"]).await;
    assert!(described.contains(&first) && described.contains(&second), "{described}");

    cluster.ask(&["node", "approve", "--replace-key", "edge-1"]).await;
    let node = cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    assert_eq!(node.key_fingerprint, second);

    cluster.terminate("edge-1").await;
    fs::rename(cluster.path("edge-1"), cluster.path("edge-1-after")).unwrap();
    fs::rename(cluster.path("edge-1-before"), cluster.path("edge-1")).unwrap();
    cluster.start_again("edge-1").await;
    cluster.log_has("edge-1", "is held by another key").await;
}

#[tokio::test]
async fn both_sides_say_that_a_node_was_copied() {
    let mut cluster = Cluster::with_agents(&["edge-1"]).await;
    fs::create_dir(cluster.path("copy")).unwrap();
    for file in fs::read_dir(cluster.path("edge-1")).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), cluster.path("copy").join(file.file_name())).unwrap();
        }
    }

    cluster.add_agent("copy", &["NodeName=edge-1"]).await;

    let taken = "another agent with this node's key has taken its place";
    for name in ["edge-1", CONTROL_PLANE] {
        cluster.log_has(name, taken).await;
        cluster.log_has(name, "taken_over_by=127.0.0.1:").await;
    }
}

#[tokio::test]
async fn replacing_the_key_ends_what_the_old_one_has_open() {
    let mut cluster = Cluster::with_agents(&["edge-1"]).await;
    let service = cluster.submit(&job::of("service", &guests::sleeps("x"))).await;
    cluster.executions_when("it runs", &service, |all| all.iter().any(is_running)).await;
    cluster.add_agent("edge-1-anew", &["NodeName=edge-1"]).await;
    let what = "the other key is shown";
    let node = cluster.node_when(what, "edge-1", |node| !node.refused_key_fingerprint.is_empty()).await;
    assert_eq!(node.connection, Connection::Connected, "the old key still speaks for the node");

    cluster.ask(&["node", "approve", "--replace-key", "edge-1"]).await;

    cluster.log_has("edge-1", "revoked this node's membership").await;
    let is_new = |now: &NodeState| {
        now.key_fingerprint == node.refused_key_fingerprint && now.connection == Connection::Connected
    };
    cluster.node_when("the new key speaks for the node", "edge-1", is_new).await;
}

#[tokio::test]
async fn a_rejected_node_stops_what_it_runs_and_works_again_when_it_is_approved() {
    let mut cluster = Cluster::with_agents(&["edge-1", "edge-2"]).await;
    let host = cluster.host();
    let length = |name: &str| fs::metadata(host.join(name)).map_or(0, |metadata| metadata.len());
    // The beats on the second node are the clock of this test.
    let mut ids = Vec::new();
    for name in ["edge-1", "edge-2"] {
        let mut long = job::of("ops", &guests::beats(name, 1_000_000));
        job::mount(&mut long, &host, true);
        job::only_where(&mut long, "site", name);
        ids.push(cluster.submit(&long).await);
        eventually("it beats", async || seen(length(name), |length| *length > 0)).await;
    }

    cluster.client.decide("edge-1", NodeAction::Reject, "stolen").await.unwrap();

    cluster.node_is("edge-1", "REJECTED", Connection::Disconnected).await;
    assert_eq!(cluster.ended(&ids[0]).await.state.state_type.as_str(), "Failed");
    eventually("nothing beats on the rejected node for a hundred beats of the other", async || {
        let (before, clock) = (length("edge-1"), length("edge-2"));
        eventually("the other node goes on", async || seen(length("edge-2"), |now| *now > clock + 1000))
            .await;
        seen((before, length("edge-1")), |(before, after)| before == after)
    })
    .await;
    cluster.client.decide("edge-1", NodeAction::Approve { replace_key: false }, "found").await.unwrap();
    // It asks again by itself too, after a minute or two.
    cluster.terminate("edge-1").await;
    cluster.start_again("edge-1").await;
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    let mut next = job::of("ops", &guests::hello("back"));
    job::only_where(&mut next, "site", "edge-1");
    let next = cluster.submit(&next).await;
    assert_eq!(cluster.ended(&next).await.state.state_type.as_str(), "Completed");
}

#[tokio::test]
async fn a_deleted_node_is_forgotten_and_may_ask_again() {
    let mut cluster = Cluster::start(&[MANUAL]).await;
    cluster.add_agent("edge-1", &[]).await;
    cluster.approve("edge-1").await;
    let service = cluster.submit(&job::of("service", &guests::sleeps("x"))).await;
    cluster.executions_when("it runs", &service, |all| all.iter().any(is_running)).await;

    assert_eq!(cluster.ask(&["node", "delete", "edge-1"]).await, "Ok\n");

    let said = cluster.cli(&["node", "describe", "edge-1"]).await;
    assert_eq!(said.code, 1);
    cluster.executions_when("its work has ended", &service, |all| !all.iter().any(is_running)).await;
    cluster.terminate("edge-1").await;
    cluster.start_again("edge-1").await;
    cluster.node_is("edge-1", "PENDING", Connection::Connected).await;
}

fn is_running(execution: &bacalhau_protocol::api::Execution) -> bool {
    execution.compute_state.state_type.to_string() == "Running"
}
