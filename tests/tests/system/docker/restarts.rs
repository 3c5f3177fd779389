//! Agents and engines that go and come back.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bacalhau_protocol::api::{Connection, Execution, NodeState};

use super::{Site, shell};
use crate::harness::{eventually, job, seen};
use bacalhau_tests::engine::Engine;

/// Writes a line, waits for the file `go`, writes another and notes in `runs` that it ran.
const WAITS: &str = "echo one; echo err >&2; echo x >> /data/runs; \
                     while [ ! -e /data/go ]; do sleep 0.1; done; echo two; exit 3";

impl Site {
    async fn waiting(&self, job_type: &str) -> String {
        let mut job = shell(job_type, WAITS);
        job::mount(&mut job, &self.cluster.host(), true);
        let id = self.cluster.submit(&job).await;
        let runs = self.cluster.host().join("runs");
        eventually("the container runs", async || seen(runs.exists(), |exists| *exists)).await;
        // An agent that is stopped before the engine has answered gives the start up.
        let is_known = |execution: &Execution| execution.compute_state.state_type.to_string() == "Running";
        self.cluster.executions_when("the agent knows", &id, |all| all.iter().any(is_known)).await;
        id
    }

    fn go(&self) {
        fs::write(self.cluster.host().join("go"), "").unwrap();
    }

    /// Its end is that of a task that nothing happened to, and it ran once.
    async fn ended_as_if_nothing_happened(&self, id: &str) {
        self.cluster.ended(id).await;
        let executions = self.cluster.executions(id).await;
        assert_eq!(executions.len(), 1, "{executions:?}");
        let output = &executions[0].run_output;
        assert_eq!(executions[0].compute_state.message, "exit code 3", "{executions:?}");
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("one\ntwo\n", "err\n"));
        assert_eq!(fs::read_to_string(self.cluster.host().join("runs")).unwrap(), "x\n");
        self.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_survives_the_agents_death_and_its_result_arrives() {
    let mut site = Site::start("d-killed", &[]).await;
    let id = site.waiting("ops").await;
    site.cluster.kill(site.node);
    site.cluster.start_again(site.node).await;
    site.cluster.log_has(site.node, "agent started").await;
    site.cluster.node_is(site.node, "APPROVED", Connection::Connected).await;
    site.go();
    site.ended_as_if_nothing_happened(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_while_the_agent_was_away_is_told_afterwards() {
    let mut site = Site::start("d-away", &[]).await;
    let id = site.waiting("ops").await;
    site.cluster.kill(site.node);
    site.go();
    let engine = Arc::clone(&site.engine);
    eventually("the container has ended", async || {
        seen(
            engine.docker(&["ps", "-q", "--filter", "label=bacalhau-executor=bacalhau-d-away"]),
            String::is_empty,
        )
    })
    .await;
    site.cluster.start_again(site.node).await;
    site.ended_as_if_nothing_happened(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_updated_leaves_its_containers_running() {
    let mut site = Site::start("d-update", &[]).await;
    let id = site.waiting("ops").await;
    site.cluster.terminate(site.node).await;
    assert_eq!(site.engine.left_by(site.node).len(), 1);
    site.cluster.start_again(site.node).await;
    site.go();
    site.ended_as_if_nothing_happened(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_stopped_while_the_agent_is_away_leaves_no_container() {
    let mut site = Site::start("d-unwanted", &[]).await;
    let id = site.waiting("ops").await;
    site.cluster.kill(site.node);
    site.cluster.ask(&["job", "stop", &id]).await;
    site.cluster.start_again(site.node).await;
    site.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_is_swept_at_start() {
    let site = Site::start("d-orphan", &[]).await;
    let mut site = site;
    site.cluster.kill(site.node);
    let labels =
        ["--label=bacalhau-executor=bacalhau-d-orphan", "--label=bacalhau-executionID=bacalhau-d-orphane-0"];
    site.engine.docker(
        &[&["run", "-d", "--network=none"], &labels[..], &["busybox:test", "sleep", "1000"]].concat(),
    );
    site.engine.docker(&[
        "run",
        "-d",
        "--network=none",
        "--name=others",
        "--label=bacalhau-executor=bacalhau-x",
        "busybox:test",
        "sleep",
        "1000",
    ]);
    assert_eq!(site.engine.left_by(site.node).len(), 1);
    site.cluster.start_again(site.node).await;
    site.is_clean().await;
    assert_eq!(site.engine.docker(&["ps", "-q", "--filter", "name=others"]).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_and_comes_back_is_noticed_and_its_container_followed() {
    let engine = Arc::new(tokio::task::block_in_place(Engine::own));
    let site = Site::with(engine, "d-engine", &[]).await;
    let id = site.waiting("ops").await;
    for how in ["killed", "terminated"] {
        if how == "killed" {
            site.engine.kill()
        } else {
            site.engine.terminate().await
        }
        site.node_offers("without docker", false).await;
        tokio::task::block_in_place(|| site.engine.start());
        site.node_offers("with docker", true).await;
    }
    site.go();
    site.ended_as_if_nothing_happened(&id).await;
}

impl Site {
    async fn node_offers(&self, what: &str, docker: bool) {
        let offers = |node: &NodeState| {
            let engines = &node.info.compute_node_info.execution_engines;
            engines.iter().any(|engine| engine == "docker") == docker
        };
        self.cluster.node_when(&format!("the node is {what}"), self.node, offers).await;
    }
}

/// Writes this many numbered lines of a kilobyte, waits for the file `go`, writes half as many more and says so.
const LINES: usize = 12_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_service_keeps_its_newest_lines_over_a_restart_of_the_agent() {
    let mut site = Site::start("d-long-log", &[]).await;
    let script = format!(
        "L=$(printf '%0990d' 0); i=0; write() {{ while [ $i -lt $1 ]; do echo $i $L; i=$((i+1)); done; }}; \
         write {LINES}; until [ -e /data/go ]; do sleep 0.1; done; write {}; echo x > /data/done; \
         while true; do sleep 1; done",
        LINES * 3 / 2
    );
    let mut job = shell("service", &script);
    job::mount(&mut job, &site.cluster.host(), true);
    let id = site.cluster.submit(&job).await;
    let is_running = |execution: &Execution| execution.compute_state.state_type.to_string() == "Running";
    let executions = site.cluster.executions_when("it runs", &id, |all| all.iter().any(is_running)).await;
    let results = site.cluster.path(site.node).join("executions/results").join(&executions[0].id);
    eventually("one file is full", async || seen(kept(&results).len(), |lines| *lines > 8500)).await;
    site.cluster.kill(site.node);
    site.go();
    let done = site.cluster.host().join("done");
    eventually("the service wrote the rest", async || seen(done.exists(), |exists| *exists)).await;
    site.cluster.start_again(site.node).await;
    let is_last = |lines: &Vec<usize>| lines.last() == Some(&(LINES * 3 / 2 - 1));
    let lines = eventually("the last line is there", async || seen(kept(&results), is_last)).await;
    let expected: Vec<usize> = (first(&lines)..LINES * 3 / 2).collect();
    assert!(lines == expected, "lines are missing or came twice");
    assert!(first(&lines) > 0 && lines.len() > 8000, "{} lines are kept", lines.len());
    site.cluster.client.stop(&id, "enough", "").await.unwrap();
    site.is_clean().await;
}

/// The numbers of the lines that are kept, whole ones only.
fn kept(results: &Path) -> Vec<usize> {
    let Ok(entries) = fs::read_dir(results) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        names.filter(|path| path.file_name().is_some_and(|name| name != "stdout")).collect();
    files.push(results.join("stdout"));
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap_or_default()).collect();
    text.lines()
        .filter(|line| line.len() > 990)
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect()
}

fn first(lines: &[usize]) -> usize {
    lines.first().copied().unwrap_or(0)
}
