//! Nodes (api.md 3.12 to 3.14).

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use bacalhau_protocol::api::{
    Connection, ConnectionState, GetNodeResponse, ListNodesResponse, NodeActionResponse, NodeInfo, NodeState,
};
use bacalhau_protocol::model::Membership;
use bacalhau_protocol::selector;

use super::answer::Answer;
use super::body::{self, JsonBody};
use super::build;
use super::caller::{Action, Caller, Resource, authorize};
use super::error::ApiError;
use super::query::Params;
use super::routes::Api;
use crate::orchestrator::{NodeChange, NodeStatus};

/// All nodes that match, sorted.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Answer<ListNodesResponse>, ApiError> {
    let nodes = matching(&api, &caller, &params).await?;
    Ok(Answer(ListNodesResponse { next_token: String::new(), nodes }))
}

/// One node by its id or the start of it; this server, too, though it is not listed where it runs no jobs.
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
) -> Result<Answer<GetNodeResponse>, ApiError> {
    authorize(&caller, Action::Read, Resource::Nodes)?;
    let node = match find(&api, &text).await? {
        Some(node) => show(node),
        None if !text.is_empty() && api.parts.node_id.starts_with(&text) => own(&api).await?,
        None => return Err(ApiError::node_not_found(&text)),
    };
    Ok(Answer(GetNodeResponse { node }))
}

/// Approves, rejects or deletes a node.
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    mut body: JsonBody,
) -> Result<Answer<NodeActionResponse>, ApiError> {
    authorize(&caller, Action::Write, Resource::Nodes)?;
    let change = match body.text("Action")?.to_lowercase().as_str() {
        "approve" => NodeChange::Approve { replace_key: body.flag("ReplaceKey")? },
        "reject" => NodeChange::Reject,
        "delete" => NodeChange::Delete,
        other => {
            let message = format!("Action: expected approve, reject or delete, found {other:?}");
            return Err(ApiError::bad_request(message));
        }
    };
    let message = body::short("Message", body.text("Message")?)?;
    let node = find(&api, &text).await?.ok_or_else(|| ApiError::node_not_found(&text))?;
    api.parts.orchestrator.change_node(&node.record.id, change, &message).await?;
    Ok(Answer(NodeActionResponse { success: true, error: String::new() }))
}

async fn matching(api: &Api, caller: &Caller, params: &Params) -> Result<Vec<NodeState>, ApiError> {
    authorize(caller, Action::Read, Resource::Nodes)?;
    let (wanted, order) = (params.selector()?, order(params.text("order_by"))?);
    let (approval, status) = (params.text("filter-approval"), params.text("filter-status"));
    let is = |filter: &str, word: &str| filter.is_empty() || filter.eq_ignore_ascii_case(word);
    let found = api.parts.orchestrator.nodes_that("", |record, is_connected| {
        is(approval, record.membership.as_str())
            && is(status, connection(is_connected).as_str())
            && selector::matches(&wanted, &record.info.labels)
    });
    let mut nodes: Vec<NodeState> = found.await?.into_iter().map(show).collect();
    nodes.sort_by(|a, b| order(a, b).then_with(|| a.info.node_id.cmp(&b.info.node_id)));
    if params.flag("reverse")? {
        nodes.reverse();
    }
    match params.number("limit")? {
        0 => {}
        limit => nodes.truncate(usize::try_from(limit).unwrap_or(usize::MAX)),
    }
    Ok(nodes)
}

/// This server as a node: the one in its process that runs jobs, else a requester, which takes none.
pub(super) async fn own(api: &Api) -> Result<NodeState, ApiError> {
    let id = &api.parts.node_id;
    let mut known = api.parts.orchestrator.nodes(id).await?.into_iter();
    let known = known.find(|node| node.record.id.as_str() == id);
    Ok(known.map_or_else(|| requester(id), show))
}

async fn find(api: &Api, text: &str) -> Result<Option<NodeStatus>, ApiError> {
    let mut found = api.parts.orchestrator.nodes(text).await?;
    if let Some(exact) = found.iter().position(|node| node.record.id.as_str() == text) {
        return Ok(Some(found.swap_remove(exact)));
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => {
            let ids: Vec<String> = found.iter().map(|node| node.record.id.to_string()).collect();
            Err(ApiError::several_nodes(text, &ids))
        }
    }
}

fn connection(is_connected: bool) -> Connection {
    if is_connected { Connection::Connected } else { Connection::Disconnected }
}

fn show(status: NodeStatus) -> NodeState {
    let state = ConnectionState {
        status: connection(status.is_connected),
        last_heartbeat: status.last_heard,
        connected_since: status.connected_since,
        disconnected_since: status.disconnected_since,
        last_error: status.last_error,
        ..ConnectionState::default()
    };
    let record = &status.record;
    let usage = status.is_connected.then_some(&status.usage);
    NodeState {
        key_fingerprint: record.key.clone(),
        refused_key_fingerprint: record.other_key.as_ref().map(|other| other.key.clone()).unwrap_or_default(),
        ..NodeState::from_model(&record.info, usage, record.membership, state)
    }
}

fn requester(id: &str) -> NodeState {
    let labels = [("name", id), ("os_arch", build::architecture()), ("os_type", std::env::consts::OS)];
    NodeState {
        info: NodeInfo {
            node_id: id.to_owned(),
            node_type: "Requester".to_owned(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect(),
            supported_protocols: vec![NodeInfo::PROTOCOL.to_owned()],
            bacalhau_version: build::info(),
            ..NodeInfo::default()
        },
        membership: Membership::Approved.as_str().to_owned(),
        connection: Connection::Connected,
        connection_state: ConnectionState { status: Connection::Connected, ..ConnectionState::default() },
        ..NodeState::default()
    }
}

type Order = fn(&NodeState, &NodeState) -> Ordering;

fn order(word: &str) -> Result<Order, ApiError> {
    Ok(match word {
        "" | "id" => |a, b| a.info.node_id.cmp(&b.info.node_id),
        "type" => |a, b| a.info.node_type.cmp(&b.info.node_type),
        "available_cpu" => |a, b| free(b).cpu.total_cmp(&free(a).cpu),
        "available_memory" => |a, b| Reverse(free(a).memory).cmp(&Reverse(free(b).memory)),
        "available_disk" => |a, b| Reverse(free(a).disk).cmp(&Reverse(free(b).disk)),
        "available_gpu" => |a, b| Reverse(free(a).gpu).cmp(&Reverse(free(b).gpu)),
        "approval" | "status" => |a, b| a.membership.cmp(&b.membership),
        other => {
            return Err(ApiError::bad_request(format!(
                "invalid order_by {other:?}: expected id, type, available_cpu, available_memory, available_disk, \
                 available_gpu, approval or status"
            )));
        }
    })
}

fn free(node: &NodeState) -> &bacalhau_protocol::api::Resources {
    &node.info.compute_node_info.available_capacity
}
