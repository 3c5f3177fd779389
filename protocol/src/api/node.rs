//! Nodes as clients see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agent::BuildVersionInfo;
use super::resources::Resources;
use super::rfc3339;
use super::tolerant::{is_default, null_when_empty, nullable};
use crate::model;
use crate::time::Timestamp;

/// A node, whether it may take work, and whether it is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeState {
    /// What the node says about itself.
    pub info: NodeInfo,
    /// `PENDING`, `APPROVED` or `REJECTED`.
    pub membership: String,
    /// Same as in `ConnectionState`; older clients and the web UI read it here.
    pub connection: Connection,
    /// Whether it is there, and since when.
    pub connection_state: ConnectionState,
    /// SHA-256 of the node's public key, lower-case hex.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub key_fingerprint: String,
    /// Fingerprint of another key that asked for this node's id and was refused.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub refused_key_fingerprint: String,
}

/// What a node says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeInfo {
    /// Its name.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// `Compute`, or `Requester` for a control plane that runs no jobs.
    pub node_type: String,
    /// Configured and automatic labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// How it talks to the control plane.
    #[serde(deserialize_with = "nullable")]
    pub supported_protocols: Vec<String>,
    /// What it can run, and how much of it.
    #[serde(deserialize_with = "nullable")]
    pub compute_node_info: ComputeNodeInfo,
    /// The agent's build.
    #[serde(deserialize_with = "nullable")]
    pub bacalhau_version: BuildVersionInfo,
}

/// What a node can run, and how much of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct ComputeNodeInfo {
    /// Lower-case names.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "nullable")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub execution_engines: Vec<String>,
    /// Lower-case names.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "nullable")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub publishers: Vec<String>,
    /// Lower-case names.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "nullable")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub storage_sources: Vec<String>,
    /// All that is offered.
    pub max_capacity: Resources,
    /// In use by what waits in the node's queue.
    pub queue_capacity: Resources,
    /// Free now.
    pub available_capacity: Resources,
    /// Most that one job may ask for.
    pub max_job_requirements: Resources,
    /// Executions that run.
    pub running_executions: u32,
    /// Executions that wait.
    pub enqueued_executions: u32,
    /// Empty: nothing listens on a device. The key is lower-case, alone among its siblings.
    #[serde(rename = "address")]
    pub address: String,
    /// Engines that cannot run tasks, with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub engines_unavailable: BTreeMap<String, String>,
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Connection {
    /// It is.
    #[serde(rename = "CONNECTED")]
    Connected,
    /// It is not, or the server said something else.
    #[default]
    #[serde(rename = "DISCONNECTED", other)]
    Disconnected,
}

impl Connection {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Disconnected => "DISCONNECTED",
        }
    }
}

/// Whether a node is there, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct ConnectionState {
    /// Whether it is there.
    pub status: Connection,
    /// When it was last heard.
    #[serde(with = "rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub last_heartbeat: Timestamp,
    /// Last observation taken in from it.
    #[serde(skip_serializing_if = "is_default")]
    pub last_compute_seq_num: u64,
    /// Last message sent to it.
    #[serde(skip_serializing_if = "is_default")]
    pub last_orchestrator_seq_num: u64,
    /// When it last came.
    #[serde(with = "rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub connected_since: Timestamp,
    /// When it last went.
    #[serde(with = "rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub disconnected_since: Timestamp,
    /// Why it is not there; may be empty.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub last_error: String,
}

impl NodeState {
    /// As clients see it. `usage` is absent for a node that is not connected.
    pub fn from_model(
        info: &model::NodeInfo,
        usage: Option<&model::NodeUsage>,
        membership: model::Membership,
        connection_state: ConnectionState,
    ) -> Self {
        Self {
            info: NodeInfo::from_model(info, usage),
            membership: membership.as_str().to_owned(),
            connection: connection_state.status,
            connection_state,
            ..Self::default()
        }
    }
}

impl NodeInfo {
    /// Message protocol shown in `SupportedProtocols`.
    pub const PROTOCOL: &'static str = "bacalhau-edge/1";

    /// As clients see it.
    pub fn from_model(info: &model::NodeInfo, usage: Option<&model::NodeUsage>) -> Self {
        Self {
            node_id: info.node_id.to_string(),
            node_type: "Compute".to_owned(),
            labels: info.labels.clone(),
            supported_protocols: vec![Self::PROTOCOL.to_owned()],
            compute_node_info: ComputeNodeInfo::from_model(info, usage),
            bacalhau_version: (&info.build).into(),
        }
    }
}

impl ComputeNodeInfo {
    fn from_model(info: &model::NodeInfo, usage: Option<&model::NodeUsage>) -> Self {
        Self {
            execution_engines: lower_case(&info.engines),
            publishers: lower_case(&info.publishers),
            storage_sources: lower_case(&info.sources),
            max_capacity: (&info.capacity).into(),
            queue_capacity: usage.map(|usage| (&usage.queued).into()).unwrap_or_default(),
            available_capacity: usage.map(|usage| (&usage.available).into()).unwrap_or_default(),
            max_job_requirements: (&info.max_job).into(),
            running_executions: usage.map_or(0, |usage| usage.running),
            enqueued_executions: usage.map_or(0, |usage| usage.enqueued),
            address: String::new(),
            engines_unavailable: info.engines_unavailable.clone(),
        }
    }
}

fn lower_case(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_lowercase()).collect()
}
