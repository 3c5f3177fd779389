//! What this server says about itself (api.md 3.15 to 3.20).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use bacalhau_protocol::api::{
    AgentNode, Alive, BuildVersionInfo, Connection, ConnectionState, NodeInfo, NodeState,
};
use serde_json::{Value, json};

use super::answer::Answer;
use super::build;
use super::caller::{Action, Caller, Resource, authorize};
use super::error::ApiError;
use super::routes::Api;

/// Open to everybody.
pub(super) async fn alive() -> Answer<Alive> {
    std::future::ready(Answer(Alive { status: "OK".to_owned() })).await
}

/// Open to everybody.
pub(super) async fn version() -> Answer<BuildVersionInfo> {
    std::future::ready(Answer(build::info())).await
}

/// Open to everybody: there is no single sign-on.
pub(super) async fn auth_config() -> Answer<Value> {
    std::future::ready(Answer(json!({"Version": "1.0.0", "Config": {}}))).await
}

/// The orchestrator as a node.
pub(super) async fn node(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Answer<AgentNode>, ApiError> {
    authorize(&caller, Action::Read, Resource::Agent)?;
    std::future::ready(Ok(Answer(describe(&api.parts.node_id)))).await
}

/// How many jobs are in progress and how many nodes are there.
pub(super) async fn debug(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Answer<Value>, ApiError> {
    authorize(&caller, Action::Read, Resource::Agent)?;
    let nodes = api.parts.orchestrator.nodes("")?;
    let connected = nodes.iter().filter(|node| node.is_connected).count();
    std::future::ready(Ok(Answer(json!({"Nodes": {"Known": nodes.len(), "Connected": connected}})))).await
}

fn describe(node_id: &str) -> AgentNode {
    let labels = [("name", node_id), ("os_arch", build::architecture()), ("os_type", std::env::consts::OS)];
    let info = NodeInfo {
        node_id: node_id.to_owned(),
        node_type: "Requester".to_owned(),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        supported_protocols: vec![NodeInfo::PROTOCOL.to_owned()],
        bacalhau_version: build::info(),
        ..NodeInfo::default()
    };
    let state = NodeState {
        info: info.clone(),
        membership: "APPROVED".to_owned(),
        connection: Connection::Connected,
        connection_state: ConnectionState { status: Connection::Connected, ..ConnectionState::default() },
        ..NodeState::default()
    };
    AgentNode { info, state }
}
