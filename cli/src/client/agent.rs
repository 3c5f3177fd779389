//! What the server says about itself (api.md 3.15 to 3.17).

use std::time::Duration;

use bacalhau_protocol::api::{Alive, BuildVersionInfo};
use bacalhau_protocol::duration;

use super::{AGENT, Client, Result};

impl Client {
    /// Whether the server is alive.
    pub async fn alive(&self) -> Result<Alive> {
        self.get(self.url(AGENT, &["alive"])?).await
    }

    /// The server's node, as it describes itself. Servers up to 1.5 answer a node's state, later ones its info.
    pub async fn agent_node(&self) -> Result<serde_json::Value> {
        self.get(self.url(AGENT, &["node"])?).await
    }

    /// The server's effective configuration, without its secrets. Servers of 1.5 answer it bare.
    pub async fn agent_config(&self) -> Result<serde_json::Value> {
        let mut answer: serde_json::Value = self.get(self.url(AGENT, &["config"])?).await?;
        Ok(match answer.get_mut("config") {
            Some(config) => config.take(),
            None => answer,
        })
    }

    /// How long the server keeps a silent node's work there, if it tells.
    pub async fn silence(&self) -> Option<Duration> {
        let config = self.agent_config().await.ok()?;
        duration::parse(config.pointer("/Orchestrator/NodeManager/DisconnectTimeout")?.as_str()?)
    }

    /// The server's build.
    pub async fn agent_version(&self) -> Result<BuildVersionInfo> {
        self.get(self.url(AGENT, &["version"])?).await
    }
}
