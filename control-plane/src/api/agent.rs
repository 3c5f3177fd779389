//! What this server says about itself (api.md 3.15 to 3.20).

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use bacalhau_protocol::api::{AgentNode, Alive, BuildVersionInfo};
use serde_json::{Value, json};

use super::answer::Answer;
use super::build;
use super::caller::{Action, Caller, Resource, authorize};
use super::error::ApiError;
use super::nodes;
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

/// This server as a node.
pub(super) async fn node(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Answer<AgentNode>, ApiError> {
    authorize(&caller, Action::Read, Resource::Agent)?;
    let state = nodes::own(&api).await?;
    Ok(Answer(AgentNode { info: state.info.clone(), state }))
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
