//! Jobs that cannot run: what is told, and that nothing is left.

use std::sync::Arc;

use bacalhau_protocol::api::Connection;
use serde_json::{Value, json};

use super::{Site, container, shell};
use crate::harness::{Cluster, job};
use bacalhau_tests::engine::{Engine, FOREIGN_IMAGE, IMAGE};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_run_says_why_and_leaves_nothing() {
    let site = Site::start("d-bad", &[]).await;
    let with = |field: &str, value: Value| {
        let mut job = container("ops", json!({"Image": IMAGE, "Parameters": ["true"]}));
        *job::task(&mut job, field) = value;
        job
    };
    let onto_a_file = json!([{
        "Target": "/bin/busybox",
        "Source": {"Type": "localDirectory", "Params": {"SourcePath": site.cluster.host()}}
    }]);
    let cases: [(Value, &str); 9] = [
        (
            container("ops", json!({"Image": "127.0.0.1:9/no/where:1"})),
            "image 127.0.0.1:9/no/where:1 is not on this node and its registry cannot be reached",
        ),
        (
            container("ops", json!({"Image": FOREIGN_IMAGE, "Parameters": ["true"]})),
            "available image platforms [linux/s390x]",
        ),
        (container("ops", json!({"Image": IMAGE, "Entrypoint": ["/bin/nope"]})), "start the container: "),
        (
            container("ops", json!({"Image": IMAGE})),
            "the image names no program to run; set Entrypoint or Parameters",
        ),
        (container("ops", json!({"Image": IMAGE, "Parameters": ["/tmp"]})), "start the container: "),
        (
            with("Resources", json!({"CPU": "10m", "Memory": "1Mb"})),
            "the task asks for less memory than a container needs",
        ),
        (
            with("ResultPaths", json!([{"Name": "root", "Path": "/"}])),
            "an input or result path cannot be mounted in a container",
        ),
        (
            with("InputSources", onto_a_file),
            "start the container: a file is mounted onto a directory or the other way round",
        ),
        (
            with(
                "InputSources",
                json!([{
                    "Target": "/x",
                    "Source": {"Type": "localDirectory", "Params": {"SourcePath": site.cluster.host().join("missing")}}
                }]),
            ),
            "does not exist on this node",
        ),
    ];
    for (job, expected) in cases {
        let (state, execution) = site.run(&job).await;
        assert_eq!(state, "Failed", "{expected}: {execution:?}");
        let message = &execution.compute_state.message;
        assert!(message.contains(expected), "expected {expected:?}, found {message:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_an_image_is_described_with_a_code_and_a_hint() {
    let site = Site::start("d-hint", &[]).await;
    let id = site.cluster.submit(&container("ops", json!({"Image": "127.0.0.1:9/no/where:1"}))).await;
    site.cluster.ended(&id).await;
    let history = site.cluster.ask(&["job", "history", &id, "--output", "json"]).await;
    for part in ["Exec Scanning", "Docker:RegistryUnreachable", "check the node's way to 127.0.0.1:9"] {
        assert!(history.contains(part), "{part} is not in {history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_refused_unless_the_node_allows_it() {
    let site = Site::start("d-host", &[]).await;
    let mut job = shell("ops", "ls /sys/class/net");
    *job::task(&mut job, "Network") = json!({"Type": "Host"});
    let id = site.cluster.submit(&job).await;
    let ended = site.cluster.ended(&id).await;
    assert_eq!(ended.state.state_type.as_str(), "Failed", "{ended:?}");
    assert!(site.cluster.executions(&id).await.is_empty(), "no node is asked that would refuse");
    drop(site);

    let site = Site::start("d-host2", &["JobAdmissionControl.AcceptNetworkedJobs=true"]).await;
    let (state, execution) = site.run(&job).await;
    assert_eq!(state, "Completed", "{execution:?}");
    let of_host = execution.run_output.stdout.lines().count();
    let (_, execution) = site.run(&shell("ops", "ls /sys/class/net")).await;
    assert_eq!(execution.run_output.stdout, "lo\n", "without a network there is nothing else");
    assert!(of_host >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_an_engine_runs_everything_else_and_offers_docker_when_it_comes() {
    let engine = tokio::task::block_in_place(Engine::own);
    engine.terminate().await;
    let mut cluster = Cluster::start(&[]).await;
    cluster.set_variable("d-none", "DOCKER_HOST", engine.host());
    cluster.add_agent("d-none", &[]).await;
    let node = cluster.node_is("d-none", "APPROVED", Connection::Connected).await;
    assert_eq!(node.info.compute_node_info.execution_engines, ["wasm"]);
    let id = cluster.submit(&container("batch", json!({"Image": IMAGE, "Parameters": ["true"]}))).await;
    tokio::task::block_in_place(|| engine.start());
    assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let engine = Arc::new(tokio::task::block_in_place(|| Engine::with_small_disk(48)));
    let site = Site::with(Arc::clone(&engine), "d-full", &[]).await;
    let mut writes = shell("ops", "dd if=/dev/zero of=/big bs=1M count=64; exit $?");
    // This disk lies in memory, where the task's own writes count as its own.
    *job::task(&mut writes, "Resources") = json!({"CPU": "10m", "Memory": "256Mb"});
    let (state, execution) = site.run(&writes).await;
    assert_eq!(state, "Failed", "{execution:?}");
    assert!(execution.run_output.stderr.contains("No space left on device"), "{execution:?}");

    let filling = engine.fill_disk();
    let id = site.cluster.submit(&shell("ops", "echo never")).await;
    site.cluster.ended(&id).await;
    let described = site.cluster.ask(&["job", "describe", &id, "--output", "table"]).await;
    let plain = "the disk of this node's Docker engine is full; free some, as with docker system prune";
    assert!(
        described.replace("\n", " ").split_whitespace().collect::<Vec<_>>().join(" ").contains(plain),
        "{described}"
    );
    site.is_clean().await;

    std::fs::remove_file(filling).unwrap();
    let (state, execution) = site.run(&shell("ops", "echo again")).await;
    assert_eq!((state.as_str(), execution.run_output.stdout.as_str()), ("Completed", "again\n"));
}
