//! Agents and engines that go and come back.

use std::fs;
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
