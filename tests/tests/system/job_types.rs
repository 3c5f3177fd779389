//! The four types of job, and what becomes of them when nodes come, go and change.

use std::collections::BTreeSet;
use std::fs;

use bacalhau_protocol::api::{Connection, Execution};
use serde_json::json;

use crate::harness::{Cluster, eventually, guests, job, seen};

/// A node counts as lost after this much silence.
const IMPATIENT: &str = "Orchestrator.NodeManager.DisconnectTimeout=1s";

fn nodes_where<'a>(executions: &'a [Execution], state: &str) -> Vec<&'a str> {
    let mut nodes: Vec<&str> = executions
        .iter()
        .filter(|execution| execution.compute_state.state_type.to_string() == state)
        .map(|execution| execution.node_id.as_str())
        .collect();
    nodes.sort_unstable();
    nodes
}

#[tokio::test]
async fn three_partitions_of_a_batch_job_share_two_nodes() {
    let cluster = Cluster::with_agents(&["edge-1", "edge-2"]).await;
    let mut batch = job::of("batch", &guests::counts("x", 10));
    batch["Count"] = json!(3);
    let id = cluster.submit(&batch).await;
    assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Completed");
    let executions = cluster.executions(&id).await;
    let partitions: BTreeSet<u32> = executions.iter().map(|execution| execution.partition_index).collect();
    let nodes: BTreeSet<&str> = executions.iter().map(|execution| execution.node_id.as_str()).collect();
    assert_eq!(partitions, BTreeSet::from([0, 1, 2]));
    assert_eq!(nodes, BTreeSet::from(["edge-1", "edge-2"]));
}

#[tokio::test]
async fn a_batch_job_is_tried_twice() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let id = cluster.submit(&job::of("batch", &guests::exits("sorry", 3))).await;
    let job = cluster.ended(&id).await;
    assert_eq!(job.state.state_type.as_str(), "Failed", "{:?}", job.state);
    let executions = cluster.executions(&id).await;
    assert_eq!(executions.len(), 2);
    for execution in executions {
        assert_eq!(execution.compute_state.message, "exit code 3");
        assert_eq!((execution.run_output.exit_code, execution.run_output.stdout.as_str()), (3, "sorry"));
    }
}

#[tokio::test]
async fn a_service_that_ends_is_started_again_until_it_is_stopped() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let mut service = job::of("service", &guests::writes("runs"));
    job::mount(&mut service, &cluster.host(), true);
    let id = cluster.submit(&service).await;
    let file = cluster.host().join("runs");
    let runs = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    eventually("it has run three times", async || seen(runs(), |runs| *runs >= 3)).await;
    cluster.ask(&["job", "stop", &id]).await;
    assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Stopped");
    cluster.executions_when("nothing runs", &id, |all| nodes_where(all, "Running").is_empty()).await;
}

#[tokio::test]
async fn a_service_moves_when_its_node_is_lost_and_runs_once_when_it_returns() {
    let mut cluster = Cluster::start(&[IMPATIENT]).await;
    for name in ["edge-1", "edge-2"] {
        cluster.add_agent(name, &[]).await;
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
    }
    let id = cluster.submit(&job::of("service", &guests::sleeps("x"))).await;
    let running = |count| move |all: &[Execution]| nodes_where(all, "Running").len() == count;
    let executions = cluster.executions_when("it runs", &id, running(1)).await;
    let first = nodes_where(&executions, "Running")[0].to_owned();
    let second = if first == "edge-1" { "edge-2" } else { "edge-1" };

    cluster.terminate(&first).await;
    let moved = |all: &[Execution]| nodes_where(all, "Running").contains(&second);
    cluster.executions_when("it runs on the other node", &id, moved).await;

    cluster.start_again(&first).await;
    cluster.node_is(&first, "APPROVED", Connection::Connected).await;
    let settled = |all: &[Execution]| {
        let others = all.iter().filter(|execution| execution.node_id == first);
        nodes_where(all, "Running") == [second]
            && others.clone().count() == 1
            && others.clone().all(|execution| execution.compute_state.state_type.is_terminal())
    };
    cluster.executions_when("the first node has stopped its own", &id, settled).await;
}

#[tokio::test]
async fn an_update_goes_through_a_service_one_partition_at_a_time() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let mut service = job::of("service", &guests::sleeps("x"));
    (service["Name"], service["Count"]) = (json!("web"), json!(2));
    let id = cluster.submit(&service).await;
    let running = |all: &[Execution]| nodes_where(all, "Running").len() == 2;
    cluster.executions_when("both run", &id, running).await;

    service["Priority"] = json!(1);
    assert_eq!(cluster.submit(&service).await, id);
    let are_new = |all: &[Execution]| {
        let new: Vec<_> = all.iter().filter(|one| one.job_version == 2).cloned().collect();
        running(&new)
    };
    cluster.executions_when("both run again", &id, are_new).await;
    let history = cluster.history(&id).await;
    let stopped: Vec<usize> = history
        .iter()
        .enumerate()
        .filter(|(_, said)| said.ends_with("for job update"))
        .map(|(at, _)| at)
        .collect();
    let placed = history.iter().position(|said| said.starts_with("Requested execution")).unwrap();
    assert!(stopped.len() == 2 && stopped[0] < placed && placed < stopped[1], "{history:#?}");
}

#[tokio::test]
async fn what_takes_too_long_is_ended_and_says_what_to_do() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    for (timeout, said) in [("ExecutionTimeout", "Execution timed out"), ("TotalTimeout", "Job timed out")] {
        let mut slow = job::of("batch", &guests::sleeps("x"));
        *job::task(&mut slow, "Timeouts") = json!({timeout: 1});
        let id = cluster.submit(&slow).await;
        assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Failed", "{timeout}");
        let nothing_runs = |all: &[Execution]| all.len() == 1 && nodes_where(all, "Running").is_empty();
        cluster.executions_when("nothing runs", &id, nothing_runs).await;
        let history = cluster.history(&id).await;
        assert!(history.iter().any(|message| message.starts_with(said)), "{timeout}: {history:#?}");
    }
    let mut nowhere = job::of("batch", &guests::sleeps("x"));
    job::only_where(&mut nowhere, "role", "nobody");
    *job::task(&mut nowhere, "Timeouts") = json!({"QueueTimeout": 1});
    let id = cluster.submit(&nowhere).await;
    let job = cluster.ended(&id).await;
    assert!(job.state.message.starts_with("not enough nodes to run job"), "{:?}", job.state);
}

#[tokio::test]
async fn a_daemon_follows_nodes_that_join_are_approved_or_change_their_labels() {
    let mut cluster = Cluster::start(&["Orchestrator.NodeManager.ManualApproval=true"]).await;
    let sensor = "Labels=role=sensor";
    cluster.add_agent("edge-1", &[sensor]).await;
    cluster.approve("edge-1").await;
    cluster.add_agent("edge-2", &["Labels=role=other"]).await;
    cluster.approve("edge-2").await;
    cluster.add_agent("edge-3", &[sensor]).await;
    cluster.node_is("edge-3", "PENDING", Connection::Connected).await;
    let mut daemon = job::of("daemon", &guests::sleeps("x"));
    job::only_where(&mut daemon, "role", "sensor");
    let id = cluster.submit(&daemon).await;
    let runs_on = async |cluster: &Cluster, nodes: &[&str]| {
        let what = format!("it runs on {nodes:?}");
        cluster.executions_when(&what, &id, |all| nodes_where(all, "Running") == nodes).await;
    };

    runs_on(&cluster, &["edge-1"]).await;
    cluster.approve("edge-3").await;
    runs_on(&cluster, &["edge-1", "edge-3"]).await;
    cluster.add_agent("edge-4", &[sensor]).await;
    cluster.approve("edge-4").await;
    runs_on(&cluster, &["edge-1", "edge-3", "edge-4"]).await;
    for (name, labels) in [("edge-2", sensor), ("edge-1", "Labels=role=other")] {
        cluster.terminate(name).await;
        cluster.add_agent(name, &[labels]).await;
    }
    runs_on(&cluster, &["edge-2", "edge-3", "edge-4"]).await;
}

#[tokio::test]
async fn an_ops_job_asks_the_nodes_there_are_once() {
    let mut cluster = Cluster::start(&[IMPATIENT]).await;
    for name in ["edge-1", "edge-2"] {
        cluster.add_agent(name, &[]).await;
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
    }
    cluster.terminate("edge-2").await;
    cluster.node_is("edge-2", "APPROVED", Connection::Disconnected).await;

    let id = cluster.submit(&job::of("ops", &guests::hello("answer"))).await;
    let job = cluster.ended(&id).await;
    assert_eq!(job.state.state_type.as_str(), "Completed", "{:?}", job.state);
    assert_eq!(job.state.message, "1 of 2 nodes succeeded, 1 unreachable");

    cluster.add_agent("edge-3", &[]).await;
    cluster.start_again("edge-2").await;
    for name in ["edge-2", "edge-3"] {
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
    }
    // Another job shows that the nodes are at work.
    let next = cluster.submit(&job::of("ops", &guests::hello("answer"))).await;
    assert_eq!(cluster.ended(&next).await.state.state_type.as_str(), "Completed");
    assert_eq!(nodes_where(&cluster.executions(&next).await, "Completed"), ["edge-1", "edge-2", "edge-3"]);
    let executions = cluster.executions(&id).await;
    assert_eq!(executions.len(), 2, "later nodes are not added");
    assert_eq!(nodes_where(&executions, "Completed"), ["edge-1"]);
}

#[tokio::test]
async fn a_device_that_was_away_hears_of_any_amount_of_work() {
    let mut cluster = Cluster::with_agents(&["edge-1"]).await;
    cluster.terminate("edge-1").await;
    cluster.node_is("edge-1", "APPROVED", Connection::Disconnected).await;
    let mut ops = job::of("ops", &guests::hello("heard"));
    *job::task(&mut ops, "Env") = json!({"FILLER": "x".repeat(240_000)});
    *job::task(&mut ops, "Timeouts") = json!({"TotalTimeout": 600});
    // More than may wait to be sent to a node.
    let mut jobs = Vec::new();
    for _ in 0..80 {
        jobs.push(cluster.submit(&ops).await);
    }
    cluster.start_again("edge-1").await;
    for id in jobs {
        assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Completed");
    }
}
