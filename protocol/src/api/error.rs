//! The body of every answer that is not 200.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tolerant::nullable;

/// What went wrong, for programs and for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct ErrorBody {
    /// The HTTP status again.
    pub status: u16,
    /// For people.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// The request's `X-Request-ID`, when it had one.
    #[serde(rename = "RequestID", deserialize_with = "nullable")]
    pub request_id: String,
    /// For programs; one of [`code`].
    #[serde(deserialize_with = "nullable")]
    pub code: String,
    /// Which part of the server says so.
    #[serde(deserialize_with = "nullable")]
    pub component: String,
    /// What to try; may be empty.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub hint: String,
    /// More of it; may be empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub details: BTreeMap<String, String>,
}

/// Error codes and the HTTP status each comes with (api.md 1.5).
pub mod code {
    /// 400.
    pub const BAD_REQUEST: &str = "BadRequest";
    /// 403.
    pub const FORBIDDEN: &str = "Forbidden";
    /// 404.
    pub const NOT_FOUND: &str = "NotFound";
    /// 409.
    pub const RESOURCE_IN_USE: &str = "ResourceInUse";
    /// 409.
    pub const CONFLICT_NODE_STATE: &str = "ConflictNodeState";
    /// 500.
    pub const CONFLICT_JOB_STATE: &str = "ConflictJobState";
    /// 409.
    pub const MULTIPLE_NODES_FOUND: &str = "MultipleNodesFound";
    /// 409 here, 500 in Bacalhau 1.9.
    pub const MULTIPLE_JOBS_FOUND: &str = "MultipleJobsFound";
    /// 409 here, 500 in Bacalhau 1.9.
    pub const MULTIPLE_EXECUTIONS_FOUND: &str = "MultipleExecutionsFound";
    /// 500, and 400 for requests that make no sense: Bacalhau gives those no code of their own.
    pub const INTERNAL: &str = "InternalError";
    /// 500.
    pub const DATASTORE: &str = "DatastoreFailure";
    /// 503.
    pub const UNAVAILABLE: &str = "ServiceUnavailable";
}
