//! Jobs whose module or data is bad: a clear error, and the agent goes on.

use std::fs;
use std::path::PathBuf;

use bacalhau_protocol::api::Connection;
use serde_json::{Value, json};

use crate::harness::{Cluster, guests, job};

/// Runs an ops job that must fail, through the command line, and returns its only execution's message.
async fn fails(cluster: &Cluster, job: &Value) -> String {
    let file = cluster.path("bad-job.json");
    fs::write(&file, job.to_string()).unwrap();
    let said = cluster.cli(&["job", "run", file.to_str().unwrap()]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let id = id_in(&said.stdout);
    let job = cluster.ended(&id).await;
    assert_eq!(job.state.state_type.as_str(), "Failed", "{:?}", job.state);
    let described = cluster.ask(&["job", "describe", &id]).await;
    assert!(described.contains("StateType: Failed"), "{described}");
    let [execution] = &cluster.executions(&id).await[..] else { panic!("one node, one execution") };
    execution.compute_state.message.clone()
}

fn id_in(stdout: &str) -> String {
    let line =
        stdout.lines().find_map(|line| line.split_once("Job ID: ")).unwrap_or_else(|| panic!("{stdout}"));
    line.1.trim().to_owned()
}

async fn is_well(cluster: &Cluster) {
    let id = cluster.submit(&job::of("ops", &guests::hello("well"))).await;
    assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Completed");
}

#[tokio::test]
async fn bad_modules_fail_with_the_reason() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let mut endless = job::of("ops", &guests::spins("x"));
    *job::task(&mut endless, "Timeouts") = json!({"ExecutionTimeout": 1});
    let mut asleep = job::of("ops", &guests::sleeps("x"));
    *job::task(&mut asleep, "Timeouts") = json!({"ExecutionTimeout": 1});
    for (job, reason) in [
        (job::of_bytes("ops", b"#!/bin/sh\necho hello\n"), "is not a WebAssembly module"),
        (job::of_bytes("ops", &guests::assemble(&guests::hello("x"))[..60]), "compile module"),
        (job::of("ops", "(module)"), "has no function \"_start\""),
        (job::of("ops", &guests::traps("x")), "unreachable"),
        (endless, "timed out"),
        (asleep, "timed out"),
        (job::of("ops", &guests::grows()), "memory limit exceeded"),
        (job::of("ops", &guests::exits("x", 7)), "exit code 7"),
    ] {
        let message = fails(&cluster, &job).await;
        assert!(message.contains(reason), "{message:?} does not say {reason:?}");
    }
    is_well(&cluster).await;
}

#[tokio::test]
async fn what_a_failed_task_wrote_comes_home() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let id = cluster.submit(&job::of("ops", &guests::exits("last words", 7))).await;
    cluster.ended(&id).await;
    let [execution] = &cluster.executions(&id).await[..] else { panic!("one node, one execution") };
    assert_eq!((execution.run_output.exit_code, execution.run_output.stdout.as_str()), (7, "last words"));
    let folder = cluster.path("answer");
    fs::create_dir(&folder).unwrap();
    cluster.ask(&["job", "get", &id, "--output-dir", folder.to_str().unwrap()]).await;
    assert_eq!(fs::read_to_string(folder.join("stdout")).unwrap(), "last words");
    assert_eq!(fs::read_to_string(folder.join("exitCode")).unwrap().trim(), "7");
    let trapped = cluster.submit(&job::of("ops", &guests::traps("before the trap"))).await;
    cluster.ended(&trapped).await;
    assert_eq!(cluster.ask(&["job", "logs", &trapped]).await, "before the trap");
}

#[tokio::test]
async fn paths_that_are_missing_or_not_allowed_are_refused() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let host = cluster.host();
    fs::write(cluster.path("secret"), "s").unwrap();
    std::os::unix::fs::symlink(cluster.path("secret"), host.join("link")).unwrap();
    std::os::unix::fs::symlink("..", host.join("up")).unwrap();
    for (path, reason) in [
        (host.join("nothing-here"), "does not exist on this node"),
        (PathBuf::from("/etc"), "is not allowlisted"),
        (host.join("../secret"), "is not allowlisted"),
        (host.join("link"), "is not allowlisted"),
        (host.join("up/secret"), "is not allowlisted"),
    ] {
        let mut job = job::of("ops", &guests::hello("x"));
        job::mount(&mut job, &path, false);
        let message = fails(&cluster, &job).await;
        assert!(message.contains(reason), "{}: {message:?} does not say {reason:?}", path.display());
    }
    is_well(&cluster).await;
}

#[tokio::test]
async fn a_read_only_path_is_not_written() {
    let mut cluster = Cluster::start(&[]).await;
    let host = cluster.host();
    let read_only = format!("Compute.AllowListedLocalPaths={}/**:ro", host.display());
    cluster.add_agent("edge-1", &[&read_only]).await;
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    let mut asks = job::of("ops", &guests::writes("file"));
    job::mount(&mut asks, &host, true);
    let message = fails(&cluster, &asks).await;
    assert!(message.contains("is not granted write access"), "{message:?}");
    let mut tries = job::of("ops", &guests::writes("file"));
    job::mount(&mut tries, &host, false);
    let message = fails(&cluster, &tries).await;
    assert!(message.starts_with("exit code "), "{message:?}");
    assert!(!host.join("file").exists());
}
