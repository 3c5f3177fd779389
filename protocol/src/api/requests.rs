//! Requests and answers of the endpoints.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::execution::Execution;
use super::history::HistoryItem;
use super::job::Job;
use super::node::NodeState;
use super::tolerant::{null_when_empty, nullable};

/// `PUT orchestrator/jobs`. The job stays as it was written, so that the server can
/// say which fields it does not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct PutJobRequest {
    /// The job; `null` is refused.
    #[cfg_attr(feature = "schema", schemars(with = "super::job::Job"))]
    pub job: Value,
    /// Make a new version even if nothing changed.
    pub force: bool,
}

/// Answer of `PUT orchestrator/jobs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct PutJobResponse {
    /// The job, new or updated.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// The evaluation it led to.
    #[serde(rename = "EvaluationID")]
    pub evaluation_id: String,
    /// What was ignored or odd.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "nullable")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub warnings: Vec<String>,
}

/// Answer of `PUT orchestrator/jobs/diff`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct DiffJobResponse {
    /// For people; lines that begin with `+` and `-` differ. Empty when nothing does.
    pub diff: String,
    /// What was ignored or odd.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "nullable")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub warnings: Vec<String>,
}

/// `DELETE orchestrator/jobs/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct StopJobRequest {
    /// Why. The key is lower-case.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
}

/// Answer of `DELETE orchestrator/jobs/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct StopJobResponse {
    /// Empty when the job was stopped already.
    #[serde(rename = "EvaluationID")]
    pub evaluation_id: String,
}

/// `PUT orchestrator/jobs/{id}/rerun`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct RerunJobRequest {
    /// Which version; 0 is the latest.
    pub job_version: u64,
    /// Why.
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    /// Where the name is looked up.
    #[serde(deserialize_with = "nullable")]
    pub namespace: String,
}

/// Answer of `PUT orchestrator/jobs/{id}/rerun`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct RerunJobResponse {
    /// The job.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// Its new version.
    pub job_version: u64,
    /// The evaluation it led to.
    #[serde(rename = "EvaluationID")]
    pub evaluation_id: String,
    /// What was ignored or odd.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "nullable")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<String>>"))]
    pub warnings: Vec<String>,
}

/// A page of jobs, executions, history entries, versions or results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct ListResponse<T> {
    /// Asks for the next page; empty at the end.
    #[serde(default, deserialize_with = "nullable")]
    pub next_token: String,
    /// Never `null`.
    #[serde(
        default = "Vec::<T>::new",
        deserialize_with = "nullable",
        bound(deserialize = "T: Deserialize<'de>")
    )]
    pub items: Vec<T>,
}

impl<T> Default for ListResponse<T> {
    fn default() -> Self {
        Self { next_token: String::new(), items: Vec::new() }
    }
}

/// Answer of `GET orchestrator/jobs/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct GetJobResponse {
    /// The job.
    pub job: Job,
    /// Only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<ListResponse<HistoryItem>>,
    /// Only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executions: Option<ListResponse<Execution>>,
}

/// Answer of `GET orchestrator/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct ListNodesResponse {
    /// Always empty.
    pub next_token: String,
    /// `Nodes`, not `Items`.
    #[serde(deserialize_with = "nullable")]
    pub nodes: Vec<NodeState>,
}

/// Answer of `GET orchestrator/nodes/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct GetNodeResponse {
    /// The node.
    pub node: NodeState,
}

/// `PUT orchestrator/nodes/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeActionRequest {
    /// `approve`, `reject` or `delete`.
    pub action: String,
    /// Why; may be empty.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// Sent for older servers; the path counts.
    #[serde(rename = "NodeID", deserialize_with = "nullable")]
    pub node_id: String,
    /// With `approve`: pin the key that asks now in place of the pinned one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replace_key: bool,
}

/// Answer of `PUT orchestrator/nodes/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeActionResponse {
    /// It was done.
    pub success: bool,
    /// Servers up to 1.5 say here why it was not.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub error: String,
}

/// One message of the log socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LogFrame {
    /// Why there is no (more) output.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub error: String,
    /// The output.
    pub value: LogLine,
}

/// A piece of a task's output, with its own newlines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct LogLine {
    /// [`LogLine::STDOUT`], [`LogLine::STDERR`] or 0.
    #[serde(rename = "Type")]
    pub stream: u8,
    /// May be part of a line, or several.
    pub line: String,
}

impl LogLine {
    /// Standard output.
    pub const STDOUT: u8 = 1;
    /// Standard error.
    pub const STDERR: u8 = 2;
}
