//! Containers, on a Docker engine of the tests' own.

mod bad_input;
mod limits;
mod networks;
mod pull;
mod restarts;
mod runs;

use std::sync::Arc;

use bacalhau_protocol::api::{Connection, Execution};
use bacalhau_tests::engine::{Engine, IMAGE};
use serde_json::{Value, json};

use crate::harness::{Cluster, eventually, job, seen};

/// A cluster with one agent, named after the test because the engine is shared, and its engine.
struct Site {
    cluster: Cluster,
    engine: Arc<Engine>,
    node: &'static str,
}

impl Site {
    async fn start(node: &'static str, settings: &[&str]) -> Self {
        Self::with(Engine::shared(), node, settings).await
    }

    async fn with(engine: Arc<Engine>, node: &'static str, settings: &[&str]) -> Self {
        let mut cluster = Cluster::start(&[]).await;
        cluster.set_variable(node, "DOCKER_HOST", engine.host());
        cluster.add_agent(node, settings).await;
        cluster.node_is(node, "APPROVED", Connection::Connected).await;
        Self { cluster, engine, node }
    }

    /// Waits until nothing of the node is left at the engine.
    async fn is_clean(&self) {
        eventually("nothing is left at the engine", async || {
            seen(self.engine.left_by(self.node), Vec::is_empty)
        })
        .await;
    }

    /// Runs a job to its end; its state, message and first execution's output. Nothing of it is left.
    async fn run(&self, job: &Value) -> (String, Execution) {
        let id = self.cluster.submit(job).await;
        let ended = self.cluster.ended(&id).await;
        let execution = self.cluster.executions(&id).await.remove(0);
        self.is_clean().await;
        (ended.state.state_type.as_str().to_owned(), execution)
    }
}

/// A job of this type that runs a shell's text in a container.
fn shell(job_type: &str, script: &str) -> Value {
    container(job_type, json!({"Image": IMAGE, "Entrypoint": ["sh", "-c"], "Parameters": [script]}))
}

/// A job of this type with these parameters of the engine.
fn container(job_type: &str, params: Value) -> Value {
    let mut job = job::of_bytes(job_type, &[]);
    *job::task(&mut job, "Engine") = json!({"Type": "docker", "Params": params});
    job
}
