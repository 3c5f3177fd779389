//! The main job: an ops job over host logs on approved agents, as a person does it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bacalhau_protocol::api::Connection;
use serde_json::Value;

use crate::harness::Cluster;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/host-logs");
const AGENTS: [&str; 3] = ["edge-1", "edge-2", "edge-3"];

/// Three agents ask to join; two are approved, one is rejected.
async fn two_of_three() -> Cluster {
    let mut cluster = Cluster::start(&["Orchestrator.NodeManager.ManualApproval=true"]).await;
    let allowed = format!("Compute.AllowListedLocalPaths={}/**:rw,/var/log:ro", cluster.host().display());
    for name in AGENTS {
        cluster.add_agent(name, &[&allowed]).await;
        cluster.node_is(name, "PENDING", Connection::Connected).await;
    }
    assert_eq!(cluster.ask(&["node", "approve", "edge-1"]).await, "Ok\n");
    assert_eq!(cluster.ask(&["node", "approve", "edge-2"]).await, "Ok\n");
    cluster.ask(&["node", "reject", "edge-3", "-m", "not one of ours"]).await;
    for name in ["edge-1", "edge-2"] {
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
    }
    cluster.node_is("edge-3", "REJECTED", Connection::Disconnected).await;
    cluster
}

fn write_logs(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let syslog = "Nov 21 10:49:01 gw sshd[1]: Failed password for root from 10.0.0.1 port 4711\n\
                  Nov 21 10:49:02 gw kernel: usb 1-1: device not responding, error -110\n\
                  Nov 21 10:49:03 gw cron[77]: (root) CMD (run-parts /etc/cron.hourly)\n";
    fs::write(folder.join("syslog"), syslog).unwrap();
    fs::write(folder.join("web.log"), "2026-11-21 08:00:00 ERROR query took 1.5s\n").unwrap();
}

/// The example's job with another folder of logs.
fn write_job(path: &Path, logs: &Path) {
    let job = fs::read_to_string(format!("{EXAMPLE}/job.yaml")).unwrap();
    let module = format!("file:{EXAMPLE}/host-logs.wasm");
    let job = job.replace("file:host-logs.wasm", &module);
    assert!(job.contains("SourcePath: /var/log") && job.contains(&module));
    fs::write(path, job.replace("SourcePath: /var/log", &format!("SourcePath: {}", logs.display()))).unwrap();
}

#[tokio::test]
async fn approved_nodes_answer_and_their_answers_come_home() {
    let cluster = two_of_three().await;
    let (logs, file) = (cluster.host().join("logs"), cluster.path("job.yaml"));
    write_logs(&logs);
    write_job(&file, &logs);

    let job = cluster.ask(&["job", "run", "--id-only", file.to_str().unwrap()]).await.trim().to_owned();

    let executions = cluster.executions(&job).await;
    let nodes: BTreeSet<&str> = executions.iter().map(|execution| execution.node_id.as_str()).collect();
    assert_eq!(nodes, BTreeSet::from(["edge-1", "edge-2"]));
    let folder = cluster.path("answers");
    fs::create_dir(&folder).unwrap();
    cluster.ask(&["job", "get", &job, "--output-dir", folder.to_str().unwrap()]).await;
    for execution in &executions {
        let logged = cluster.ask(&["job", "logs", &job, "--execution-id", &execution.id]).await;
        let fetched = fs::read_to_string(folder.join(&execution.node_id).join("stdout")).unwrap();
        assert_eq!(logged, fetched);
        let report: Value = serde_json::from_str(&fetched).unwrap();
        assert_eq!((&report["files"]["read"], &report["lines"]), (&Value::from(2), &Value::from(4)));
        let exit_code = fs::read_to_string(folder.join(&execution.node_id).join("exitCode")).unwrap();
        assert_eq!(exit_code.trim(), "0");
    }
    let described = cluster.ask(&["job", "describe", &job]).await;
    assert!(described.contains("StateType: Completed"), "{described}");
    let history = cluster.ask(&["job", "history", &job, "--output", "csv", "--wide"]).await;
    for execution in &executions {
        assert!(history.contains(&execution.id), "{history}");
    }
}

#[tokio::test]
async fn the_example_runs_unchanged_over_the_logs_of_this_machine() {
    let cluster = two_of_three().await;
    let job = cluster.ask(&["job", "run", "--id-only", &format!("{EXAMPLE}/job.yaml")]).await;
    let executions = cluster.executions(job.trim()).await;
    assert_eq!(executions.len(), 2);
    for execution in executions {
        let answer = cluster.ask(&["job", "logs", job.trim(), "--execution-id", &execution.id]).await;
        let report: Value = serde_json::from_str(&answer).unwrap();
        assert!(report["files"]["read"].is_u64(), "{report}");
    }
}
