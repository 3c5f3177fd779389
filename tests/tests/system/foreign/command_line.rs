//! The original's own command line, version 1.9.3, which does not know that this is another server.

use std::fs;

use bacalhau_protocol::api::Connection;
use serde_json::{Value, json};

use super::{prepare, run};
use crate::harness::{Cluster, guests, job};

const PROGRAM: &str = "bacalhau-1.9.3";

/// Runs it; what it must say is on either stream, the original is not strict about them.
async fn said(cluster: &Cluster, arguments: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = run(prepare(cluster, PROGRAM).args(arguments)).await;
    (code, format!("{stdout}{stderr}"))
}

async fn works(cluster: &Cluster, arguments: &[&str], expected: &[&str]) -> String {
    let (code, text) = said(cluster, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {text}");
    for part in expected {
        assert!(text.contains(part), "{arguments:?}: no {part:?} in {text}");
    }
    text
}

async fn fails(cluster: &Cluster, arguments: &[&str], expected: &str) {
    let (code, text) = said(cluster, arguments).await;
    assert_eq!(code, 1, "{arguments:?}: {text}");
    assert!(text.contains(expected), "{arguments:?}: no {expected:?} in {text}");
}

/// Writes a job file and gives its path.
fn file(cluster: &Cluster, job: &Value) -> String {
    let path = cluster.path(&format!("{}.json", job["Name"].as_str().unwrap()));
    fs::write(&path, job.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn named(name: &str, job_type: &str, guest: &str) -> Value {
    let mut job = job::of(job_type, guest);
    job["Name"] = json!(name);
    job["Namespace"] = json!("default");
    job
}

#[tokio::test]
async fn a_job_runs_and_everything_about_it_is_told() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let greeting = named("greeting", "batch", &guests::hello("hello from go"));
    let path = file(&cluster, &greeting);
    works(&cluster, &["job", "validate", &path], &["OK"]).await;
    works(&cluster, &["job", "run", &path], &["Job successfully submitted", "Completed successfully"]).await;
    works(&cluster, &["job", "list"], &["greeting", "Completed"]).await;
    works(&cluster, &["job", "list", "--order-by", "id", "--output", "json"], &["greeting"]).await;
    works(&cluster, &["job", "describe", "greeting"], &["greeting", "Completed", "edge-1", "hello from go"])
        .await;
    let yaml = works(&cluster, &["job", "describe", "greeting", "--output", "yaml"], &["JobVersion"]).await;
    assert!(yaml.contains("ID: j-"), "{yaml}");
    works(&cluster, &["job", "executions", "greeting"], &["edge-1", "Completed"]).await;
    works(&cluster, &["job", "history", "greeting"], &["Job submitted", "Completed"]).await;
    works(&cluster, &["job", "logs", "greeting"], &["hello from go"]).await;
    let folder = cluster.path("results");
    fs::create_dir(&folder).unwrap();
    let output = format!("--output-dir={}", folder.display());
    works(&cluster, &["job", "get", &output, "greeting"], &["Results for job"]).await;
    assert_eq!(fs::read_to_string(folder.join("stdout")).unwrap(), "hello from go");
    fails(&cluster, &["job", "describe", "nothing"], "job not found: nothing").await;
    fails(&cluster, &["job", "stop", "greeting"], "already in a terminal state").await;
}

#[tokio::test]
async fn versions_are_compared_made_and_run_again() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let mut greeting = named("greeting", "batch", &guests::hello("one"));
    works(&cluster, &["job", "run", &file(&cluster, &greeting)], &["Completed"]).await;
    fails(&cluster, &["job", "run", &file(&cluster, &greeting)], "no changes detected").await;
    greeting["Priority"] = json!(7);
    let path = file(&cluster, &greeting);
    works(&cluster, &["job", "run", "--dry-run", &path], &["-Priority: 0", "+Priority: 7"]).await;
    works(&cluster, &["job", "run", &path], &["Completed"]).await;
    works(&cluster, &["job", "rerun", "greeting"], &["Completed"]).await;
    let versions = works(&cluster, &["job", "versions", "greeting", "--output", "json"], &[]).await;
    let versions: Value = serde_json::from_str(&versions).unwrap();
    let numbers: Vec<_> = versions.as_array().unwrap().iter().map(|job| job["Version"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    fails(&cluster, &["job", "rerun", "greeting", "--version", "9"], "version 9").await;
}

#[tokio::test]
async fn jobs_that_do_not_end_are_stopped() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let path = file(&cluster, &named("endless", "service", &guests::sleeps("waiting")));
    works(&cluster, &["job", "run", &path], &["Job successfully submitted"]).await;
    works(&cluster, &["job", "stop", "endless"], &["Job stop successfully submitted"]).await;
    let job = cluster.ended("endless").await;
    assert_eq!(job.state.state_type.as_str(), "Stopped");
    works(&cluster, &["job", "describe", "endless"], &["Stopped"]).await;
}

#[tokio::test]
async fn nodes_are_listed_and_approved_and_the_server_describes_itself() {
    let mut cluster = Cluster::start(&["Orchestrator.NodeManager.ManualApproval=true"]).await;
    cluster.add_agent("edge-1", &[]).await;
    cluster.node_is("edge-1", "PENDING", Connection::Connected).await;
    works(&cluster, &["node", "list"], &["edge-1", "PENDING", "CONNECTED"]).await;
    works(&cluster, &["node", "approve", "edge-1"], &["Ok"]).await;
    fails(&cluster, &["node", "approve", "edge-1"], "already approved").await;
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    works(&cluster, &["node", "list", "--show", "labels"], &["edge-1", "APPROVED", "site=edge-1"]).await;
    works(&cluster, &["node", "describe", "edge-1"], &["edge-1", "Membership: APPROVED"]).await;
    works(&cluster, &["node", "reject", "edge-1"], &["Ok"]).await;
    cluster.node_when("edge-1 is rejected", "edge-1", |node| node.membership == "REJECTED").await;
    works(&cluster, &["agent", "alive"], &["OK"]).await;
    works(&cluster, &["agent", "version"], &["v1.9"]).await;
    works(&cluster, &["agent", "node"], &["NodeType: Requester"]).await;
    works(&cluster, &["agent", "config"], &["NameProvider", "Orchestrator"]).await;
    works(&cluster, &["version"], &["v1.9"]).await;
}
