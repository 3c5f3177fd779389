//! The composition root: a control plane, an agent, or both, in this process.

mod announce;
mod compile;
mod identity;
mod name;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use bacalhau_agent::Agent;
use bacalhau_agent::config::{JoinToken, Orchestrator as Address};
use bacalhau_control_plane::config::{DEFAULT_BLOB_QUOTA_BYTES, DEFAULT_RETENTION};
use bacalhau_control_plane::{Config, ControlPlane};
use bacalhau_protocol::ids::NodeId;

use crate::config::serve::{OrchestratorConfig, ServeConfig};

pub use announce::Announcement;

/// What runs in this process. The parts are stopped by [`Node::shutdown`].
pub struct Node {
    orchestrator: Option<ControlPlane>,
    agent: Option<Agent>,
    advertise: String,
    api_scheme: tls::Scheme,
}

impl Node {
    /// Starts what the configuration asks for. An agent beside an orchestrator joins it unless it is told otherwise.
    pub async fn start(config: ServeConfig) -> anyhow::Result<Self> {
        let ServeConfig { data_dir, orchestrator, mut compute } = config;
        let mut advertise = String::new();
        let mut api_scheme = tls::Scheme::Http;
        let orchestrator = match orchestrator {
            Some(wanted) => {
                advertise.clone_from(&wanted.advertise);
                let directory = data_dir.join("orchestrator");
                let (certificate, scheme) = tls::certificate(&wanted.api_tls, wanted.api.ip(), &directory)?;
                api_scheme = scheme;
                let name = name::of_orchestrator(&directory, &wanted.name, compute.as_ref())?;
                let config = control_plane_config(wanted, directory, &name)?;
                let config = Config { api_tls: certificate, ..config };
                Some(Box::pin(ControlPlane::start(config)).await.context("starting the orchestrator")?)
            }
            None => None,
        };
        if let (Some(orchestrator), Some(agent)) = (&orchestrator, &mut compute) {
            join_beside(agent, orchestrator)?;
        }
        let agent = match compute {
            Some(mut config) => {
                config.compiler = compile::local()?;
                config.runs_in_containers = true;
                Some(Box::pin(Agent::start(config)).await.context("starting the compute node")?)
            }
            None => None,
        };
        Ok(Self { orchestrator, agent, advertise, api_scheme })
    }

    /// The control plane, if this node has that role.
    pub fn orchestrator(&self) -> Option<&ControlPlane> {
        self.orchestrator.as_ref()
    }

    /// What people need to know to use and join this node.
    pub fn announcement(&self) -> Option<Announcement> {
        let orchestrator = self.orchestrator.as_ref()?;
        Some(Announcement::new(orchestrator, &self.advertise, &self.api_scheme))
    }

    /// Returns when a part of the node can only be started anew, saying why.
    pub async fn failed(&self) -> anyhow::Error {
        match &self.orchestrator {
            Some(orchestrator) => orchestrator.failed().await,
            None => std::future::pending().await,
        }
        anyhow::anyhow!(
            "the orchestrator's store could not be written, see the log; nothing that was acknowledged is lost, and a \
             restart reads back what the store holds"
        )
    }

    /// Stops what runs, nodes before the orchestrator they speak to.
    pub async fn shutdown(self) {
        if let Some(agent) = self.agent {
            agent.shutdown().await;
        }
        if let Some(orchestrator) = self.orchestrator {
            orchestrator.shutdown().await;
        }
    }
}

fn control_plane_config(
    wanted: OrchestratorConfig,
    directory: std::path::PathBuf,
    name: &NodeId,
) -> anyhow::Result<Config> {
    Ok(Config {
        node_id: name.to_string(),
        installation_id: identity::installation(),
        instance_id: identity::instance(&directory)?,
        store: wanted.store,
        directory,
        api: Some(wanted.api),
        api_tls: None,
        fleet: wanted.fleet,
        manual_approval: wanted.manual_approval,
        join_secret: wanted.join_secret,
        scheduler: wanted.scheduler,
        defaults: wanted.defaults,
        retention: DEFAULT_RETENTION,
        blob_quota_bytes: DEFAULT_BLOB_QUOTA_BYTES,
        compile: Some(compile::central()?),
        shown: wanted.shown,
    })
}

/// Fills in address and secret of the orchestrator in the same process where the configuration names no other.
fn join_beside(
    agent: &mut bacalhau_agent::config::Config,
    orchestrator: &ControlPlane,
) -> anyhow::Result<()> {
    if agent.join.is_none() {
        let address = reachable(orchestrator.fleet_address()).to_string();
        agent.orchestrators = vec![Address::parse(&address).map_err(anyhow::Error::msg)?];
        agent.join = Some(JoinToken::parse(orchestrator.join_string()).map_err(anyhow::Error::msg)?);
    }
    Ok(())
}

/// An address to dial from this machine.
pub(crate) fn reachable(listening: SocketAddr) -> SocketAddr {
    if listening.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listening.port())
    } else {
        listening
    }
}
