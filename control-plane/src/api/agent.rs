//! What this server says about itself (api.md 3.15 to 3.20).

use std::collections::BTreeMap;
use std::future::{Ready, ready};
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

/// From this version on clients expect the settings under the key `config`.
const WRAPS_CONFIG: (u64, u64, u64) = (1, 6, 0);

/// Open to everybody.
pub(super) fn alive() -> Ready<Answer<Alive>> {
    ready(Answer(Alive { status: "OK".to_owned() }))
}

/// Open to everybody.
pub(super) fn version() -> Ready<Answer<BuildVersionInfo>> {
    ready(Answer(build::info()))
}

/// Open to everybody: there is no single sign-on.
pub(super) fn auth_config() -> Ready<Answer<Value>> {
    ready(Answer(json!({"Version": "1.0.0", "Config": {}})))
}

/// The orchestrator as a node.
pub(super) fn node(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Ready<Result<Answer<AgentNode>, ApiError>> {
    let allowed = authorize(&caller, Action::Read, Resource::Agent);
    ready(allowed.map(|()| Answer(describe(&api.parts.node_id))))
}

/// The settings of this server, secrets replaced. Clients before 1.6 read the bare object.
pub(super) fn config(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Ready<Result<Answer<Value>, ApiError>> {
    let allowed = authorize(&caller, Action::Read, Resource::Agent);
    let shown = &*api.parts.config;
    let answer = || if caller.is_older_than(WRAPS_CONFIG) { shown.clone() } else { json!({"config": shown}) };
    ready(allowed.map(|()| Answer(answer())))
}

/// How many nodes are known and how many are there.
pub(super) async fn debug(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Answer<Value>, ApiError> {
    count_nodes(&api, &caller).await.map(Answer)
}

async fn count_nodes(api: &Api, caller: &Caller) -> Result<Value, ApiError> {
    authorize(caller, Action::Read, Resource::Agent)?;
    let nodes = api.parts.orchestrator.nodes("").await?;
    let connected = nodes.iter().filter(|node| node.is_connected).count();
    Ok(json!({"Nodes": {"Known": nodes.len(), "Connected": connected}}))
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
