//! A small cluster in this process, for trials and tests: one orchestrator and some agents in one directory.

mod pid_and_port;

use std::path::PathBuf;

use anyhow::Context as _;
use bacalhau_control_plane::ControlPlane;
use futures_util::future::select_all;

use crate::config::serve::ServeConfig;
use crate::config::{Settings, Value};
use crate::serve::{Announcement, Node, reachable};

pub use pid_and_port::PidAndPort;

/// What a devstack consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nodes that only run jobs.
    pub computes: usize,
    /// The orchestrator runs jobs as well.
    pub hybrid: bool,
    /// Holds one directory per node.
    pub directory: PathBuf,
    /// Ports are chosen by the system.
    pub random_ports: bool,
}

/// A running devstack.
pub struct Devstack {
    orchestrator: Node,
    computes: Vec<Node>,
}

impl Devstack {
    /// Starts the orchestrator, then the nodes that join it. `settings` are for all of them.
    pub async fn start(plan: &Plan, settings: &Settings) -> anyhow::Result<Self> {
        let orchestrator = Box::pin(start_node(plan, settings, 0, true, plan.hybrid, None)).await?;
        let mut devstack = Self { orchestrator, computes: Vec::new() };
        for index in 1..=plan.computes {
            let join = devstack.orchestrator.orchestrator();
            match Box::pin(start_node(plan, settings, index, false, true, join)).await {
                Ok(node) => devstack.computes.push(node),
                Err(error) => {
                    devstack.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(devstack)
    }

    /// What people need to know to use it.
    pub fn announcement(&self) -> Option<Announcement> {
        self.orchestrator.announcement()
    }

    /// The control plane.
    pub fn control_plane(&self) -> Option<&ControlPlane> {
        self.orchestrator.orchestrator()
    }

    /// Returns when a node can only be started anew, saying why.
    pub async fn failed(&self) -> anyhow::Error {
        let nodes = std::iter::once(&self.orchestrator).chain(&self.computes);
        select_all(nodes.map(|node| Box::pin(node.failed()))).await.0
    }

    /// Stops the nodes, then the orchestrator.
    pub async fn shutdown(self) {
        for node in self.computes {
            node.shutdown().await;
        }
        self.orchestrator.shutdown().await;
    }
}

async fn start_node(
    plan: &Plan,
    settings: &Settings,
    index: usize,
    orchestrator: bool,
    compute: bool,
    join: Option<&ControlPlane>,
) -> anyhow::Result<Node> {
    let name = format!("node-{index}");
    let mut labels = settings.map("Labels");
    labels.extend(
        [("id", name.as_str()), ("name", name.as_str()), ("env", "devstack")]
            .map(|(key, value)| (key.into(), value.into())),
    );
    let mut settings = settings
        .clone()
        .at(plan.directory.join(&name))
        .with("NodeName", Value::Text(name.clone()))
        .with("Labels", Value::Map(labels))
        .with("Orchestrator.Enabled", Value::Bool(orchestrator))
        .with("Compute.Enabled", Value::Bool(compute));
    if plan.random_ports {
        settings = settings.with("API.Port", Value::Integer(0)).with("Orchestrator.Port", Value::Integer(0));
    }
    if let Some(control_plane) = join {
        let address = reachable(control_plane.fleet_address()).to_string();
        settings = settings
            .with("Compute.Orchestrators", Value::List(vec![address]))
            .with("Compute.Auth.Token", Value::Text(control_plane.join_string().to_owned()));
    }
    let (config, _) = ServeConfig::resolve(&settings)?;
    Box::pin(Node::start(config)).await.with_context(|| format!("starting {name}"))
}
