//! What a container sees, and what comes back from it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use futures_util::future::join_all;
use serde_json::json;

use super::{Site, container, shell};
use bacalhau_protocol::api::Connection;

use crate::harness::{Cluster, NOBODY, eventually, job, seen};
use bacalhau_tests::engine::{Engine, IMAGE};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_reads_inputs_fills_outputs_and_knows_its_job() {
    let site = Site::start("d-runs", &[]).await;
    fs::write(site.cluster.host().join("word"), "salt").unwrap();
    let mut job =
        shell("batch", "cat /data/word; echo $A $B $PWD; echo oops >&2; echo made > /out/file; exit 0");
    job::mount(&mut job, &site.cluster.host(), false);
    *job::task(&mut job, "ResultPaths") = json!([{"Name": "made", "Path": "/out"}]);
    *job::task(&mut job, "Env") = json!({"A": "task", "B": "task"});
    job["Tasks"][0]["Engine"]["Params"]["EnvironmentVariables"] = json!(["B=engine"]);
    job["Tasks"][0]["Engine"]["Params"]["WorkingDirectory"] = json!("/tmp");
    let id = site.cluster.submit(&job).await;
    let ended = site.cluster.ended(&id).await;
    let output = site.cluster.executions(&id).await.remove(0).run_output;
    assert_eq!(ended.state.state_type.as_str(), "Completed", "{ended:?} {output:?}");
    assert_eq!(output.stdout, "salttask engine /tmp\n");
    assert_eq!(output.stderr, "oops\n");
    let folder = site.cluster.path("got");
    fs::create_dir(&folder).unwrap();
    site.cluster.ask(&["job", "get", &id, "--output-dir", folder.to_str().unwrap()]).await;
    assert_eq!(fs::read_to_string(folder.join("made/file")).unwrap(), "made\n");
    let image = site
        .cluster
        .history(&id)
        .await
        .into_iter()
        .find(|line| line.starts_with("Image busybox:test is sha256:"));
    assert!(image.is_some(), "the image that ran is told");
    site.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_fails_the_execution_and_a_read_only_input_stays_as_it_is() {
    let site = Site::start("d-codes", &[]).await;
    let (state, execution) = site.run(&shell("ops", "echo before; exit 7")).await;
    assert_eq!((state.as_str(), execution.compute_state.message.as_str()), ("Failed", "exit code 7"));
    assert_eq!((execution.run_output.exit_code, execution.run_output.stdout.as_str()), (7, "before\n"));
    let mut job = shell("ops", "echo x > /data/new");
    job::mount(&mut job, &site.cluster.host(), false);
    let (state, execution) = site.run(&job).await;
    assert_eq!(state, "Failed");
    assert!(execution.run_output.stderr.contains("Read-only file system"), "{execution:?}");
    assert!(!site.cluster.host().join("new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_root_made_in_a_container_is_an_unprivileged_agents_to_publish_and_to_remove() {
    let (node, engine) = ("d-nobody", Engine::shared());
    engine.open_to_everybody();
    let mut cluster = Cluster::start(&[]).await;
    cluster.take_privileges(node);
    cluster.set_variable(node, "DOCKER_HOST", engine.host());
    cluster.add_agent(node, &[]).await;
    cluster.node_is(node, "APPROVED", Connection::Connected).await;
    let site = Site { cluster, engine, node };
    let mut job = shell(
        "batch",
        "umask 077; busybox mkdir /out/sub; echo secret > /out/sub/file; busybox chmod 0 /out/sub",
    );
    *job::task(&mut job, "ResultPaths") = json!([{"Name": "made", "Path": "/out"}]);
    let (state, execution) = site.run(&job).await;
    assert_eq!(state, "Completed", "{execution:?}");
    let folder = site.cluster.path("got");
    fs::create_dir(&folder).unwrap();
    site.cluster.ask(&["job", "get", &execution.job_id, "--output-dir", folder.to_str().unwrap()]).await;
    assert_eq!(fs::read_to_string(folder.join("made/sub/file")).unwrap(), "secret\n");
    let results = site.cluster.path(node).join("executions/results").join(&execution.id).join("made");
    for made in ["sub", "sub/file"] {
        assert_eq!(fs::metadata(results.join(made)).unwrap().uid(), NOBODY, "{made}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_told_to_end_before_it_is_killed() {
    let site = Site::start("d-stop", &[]).await;
    let script = "trap 'echo bye > /data/bye; exit 0' TERM; echo up; while true; do sleep 1; done";
    let mut job = shell("service", script);
    job::mount(&mut job, &site.cluster.host(), true);
    let id = site.cluster.submit(&job).await;
    eventually("the service writes", async || {
        let said = site.cluster.cli(&["job", "logs", &id]).await;
        seen(said.stdout.clone(), |text| text.contains("up"))
    })
    .await;
    site.cluster.ask(&["job", "stop", &id]).await;
    site.cluster.ended(&id).await;
    site.is_clean().await;
    assert_eq!(fs::read_to_string(site.cluster.host().join("bye")).unwrap(), "bye\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_containers_at_once_lose_no_line() {
    const CONTAINERS: usize = 50;
    let site =
        Site::start("d-many", &["Compute.AllocatedCapacity.CPU=50", "Compute.AllocatedCapacity.Memory=20Gb"])
            .await;
    // All of them write at the same time: when the file comes.
    let script = "while [ ! -e /data/go ]; do sleep 0.2; done; for i in $(seq 1 400); do echo line $i; done";
    let mut job = shell("batch", script);
    job::mount(&mut job, &site.cluster.host(), false);
    job["Count"] = json!(CONTAINERS);
    let id = site.cluster.submit(&job).await;
    let executions = site
        .cluster
        .executions_when("all run", &id, |all| {
            all.len() == CONTAINERS
                && all.iter().all(|one| one.compute_state.state_type.to_string() == "Running")
        })
        .await;
    let followed = executions.iter().map(async |execution| {
        site.cluster.cli(&["job", "logs", "--follow", "--execution-id", &execution.id, &id]).await.stdout
    });
    let (texts, ()) = tokio::join!(join_all(followed), async {
        fs::write(site.cluster.host().join("go"), "").unwrap();
    });
    let expected: String = (1..=400).map(|line| format!("line {line}\n")).collect();
    for (text, execution) in texts.iter().zip(&executions) {
        assert_eq!(text, &expected, "{}", execution.id);
    }
    assert_eq!(site.cluster.ended(&id).await.state.state_type.as_str(), "Completed");
    site.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entrypoint_of_the_image_is_used_unless_the_job_has_one() {
    let site = Site::start("d-entry", &[]).await;
    site.engine.docker(&["create", "--name", "base", IMAGE, "true"]);
    site.engine.docker(&["commit", "--change", "ENTRYPOINT [\"echo\", \"image\"]", "base", "busybox:entry"]);
    site.engine.docker(&["rm", "base"]);
    let (_, own) =
        site.run(&container("ops", json!({"Image": "busybox:entry", "Parameters": ["says"]}))).await;
    assert_eq!(own.run_output.stdout, "image says\n");
    let params = json!({"Image": "busybox:entry", "Entrypoint": ["echo", "job"], "Parameters": ["says"]});
    let (_, other) = site.run(&container("ops", params)).await;
    assert_eq!(other.run_output.stdout, "job says\n");
}
