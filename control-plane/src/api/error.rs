//! Answers that are not 200, in the one shape clients know (api.md 1.5).
//!
//! What a caller did wrong is told in full; what went wrong inside is logged in full and told without its causes.

use std::collections::BTreeMap;
use std::error::Error;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bacalhau_protocol::api::decode::InvalidJob;
use bacalhau_protocol::api::{ErrorBody, code};
use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::JobState;
use bacalhau_protocol::wire::stream::ReplyCode;

use crate::blobs;
use crate::fleet::RelayError;
use crate::orchestrator::{ChangeError, NodeError, RerunError, StopError, SubmitError};
use crate::state::ReadError;
use crate::store::TxnError;

/// Seconds after which a caller may try again what is refused for the moment.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// An answer that is not 200. The door writes it out, because it knows the request's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError(pub(super) Box<ErrorBody>);

/// Which part of the server an error names.
mod component {
    pub(super) const API: &str = "APIServer";
    pub(super) const JOBS: &str = "JobStore";
    pub(super) const NODES: &str = "NodesManager";
    pub(super) const AUTHORIZER: &str = "Authorizer";
    pub(super) const REST: &str = "Bacalhau";
    pub(super) const UNKNOWN: &str = "Unknown";
}

impl ApiError {
    /// A request that cannot be understood. Bacalhau says `InternalError` to all of these.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::INTERNAL, component::API, message)
    }

    /// What the framework refused before a handler saw it.
    pub(super) fn of_framework(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, code::INTERNAL, component::API, message)
    }

    /// A page token that was not given out here.
    pub(super) fn bad_token(token: &str) -> Self {
        let shown: String = token.chars().take(64).collect();
        Self::new(
            StatusCode::BAD_REQUEST,
            code::BAD_REQUEST,
            component::JOBS,
            format!("invalid paging token: {shown}"),
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the request body has more than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code::INTERNAL, component::API, message)
    }

    pub(super) fn not_json() -> Self {
        let message = "code=415, message=Unsupported Media Type; send Content-Type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::INTERNAL, component::API, message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, code::INTERNAL, component::API, "Method Not Allowed")
    }

    /// The request was sent to a name that this server does not go by.
    pub(super) fn foreign_host(name: &str) -> Self {
        let shown: String = name.chars().take(256).collect();
        let message =
            format!("this server listens on the loopback interface and does not answer to '{shown}'");
        Self::new(StatusCode::MISDIRECTED_REQUEST, code::FORBIDDEN, component::API, message).hint(
            "Ask localhost or 127.0.0.1; a proxy in front of the server must send such a Host header. To be reached \
             under other names, the server needs another API.Host, or TLS.",
        )
    }

    pub(super) fn upgrade_required() -> Self {
        let message = "logs are read over a WebSocket; ask for an upgrade";
        Self::new(StatusCode::UPGRADE_REQUIRED, code::BAD_REQUEST, component::API, message)
    }

    /// Nothing is at this path.
    pub(super) fn no_route() -> Self {
        let message = "The requested resource/URL was not found.";
        let mut error = Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::API, message).hint(
            "The server version may be older than this CLI version and does not support the endpoint yet.",
        );
        error.0.details = BTreeMap::from([(
            "cli_usage".to_owned(),
            "If you are using the CLI, try updating your server to a newer version or check if the command is supported \
             in your server version."
                .to_owned(),
        )]);
        error
    }

    /// A path of a server before 1.2.
    pub(super) fn gone() -> Self {
        let message = "this endpoint is gone; use /api/v1/orchestrator";
        Self::new(StatusCode::GONE, code::NOT_FOUND, component::API, message)
    }

    pub(super) fn job_not_found(text: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::JOBS, format!("job not found: {text}"))
    }

    /// No job has this name, which an update needs.
    pub(super) fn name_not_found(name: &str, namespace: &str) -> Self {
        let message = format!("job name index not found: {name}:{namespace}");
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::JOBS, message)
            .hint("Only a job that was submitted before can be compared; submit it without --dry-run.")
    }

    /// There is no such way to authenticate.
    pub(super) fn method_unknown(name: &str, known: &str) -> Self {
        let message = format!("authentication method not found: {name} (there is {known})");
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::API, message)
    }

    pub(super) fn version_not_found(version: u64, id: &JobId) -> Self {
        let message = format!("job version {version} not found for job {id}");
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::JOBS, message)
    }

    pub(super) fn several_jobs(text: &str) -> Self {
        let message = format!("multiple jobs found for id {text}");
        Self::new(StatusCode::CONFLICT, code::MULTIPLE_JOBS_FOUND, component::JOBS, message)
            .hint("Use full job ID")
    }

    pub(super) fn execution_not_found(text: &str) -> Self {
        let message = format!("execution not found: {text}");
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::JOBS, message)
    }

    pub(super) fn several_executions(text: &str) -> Self {
        let message = format!("multiple executions found for id {text}");
        Self::new(StatusCode::CONFLICT, code::MULTIPLE_EXECUTIONS_FOUND, component::JOBS, message)
            .hint("Use full execution ID")
    }

    /// The execution has nothing to fetch.
    pub(super) fn no_results(execution: &str) -> Self {
        let message = format!("execution {execution} has no results to fetch");
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::JOBS, message)
    }

    pub(super) fn node_not_found(text: &str) -> Self {
        let message = format!("node not found: {text}");
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::NODES, message)
    }

    pub(super) fn several_nodes(text: &str, found: &[String]) -> Self {
        let more = if found.len() > 3 { ", ..." } else { "" };
        let shown: Vec<&str> = found.iter().take(3).map(String::as_str).collect();
        let message = format!("multiple nodes found for {text}: {}{more}", shown.join(", "));
        Self::new(StatusCode::CONFLICT, code::MULTIPLE_NODES_FOUND, component::NODES, message)
            .hint("Use full node ID")
    }

    /// The caller is known, but may not do this.
    pub(super) fn forbidden(reason: impl Into<String>) -> Self {
        let mut error =
            Self::new(StatusCode::FORBIDDEN, code::FORBIDDEN, component::AUTHORIZER, "Request Forbidden");
        error.0.details = BTreeMap::from([("reason".to_owned(), reason.into())]);
        error
    }

    /// Too many of something are open.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, component::API, message)
    }

    /// Something inside failed: logged with its causes, told without them.
    pub(super) fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            code::INTERNAL,
            component::UNKNOWN,
            "Internal server error",
        )
    }

    fn new(status: StatusCode, code: &str, component: &str, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorBody {
            status: status.as_u16(),
            message: message.into(),
            code: code.to_owned(),
            component: component.to_owned(),
            ..ErrorBody::default()
        }))
    }

    /// Bacalhau gives some refusals no code of their own.
    fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", component::REST, message)
    }

    fn hint(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.0.hint);
        self
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Leaves the body to the door.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<InvalidJob> for ApiError {
    fn from(invalid: InvalidJob) -> Self {
        Self::bad_request(invalid.to_string())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::internal(&error)
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match &error {
            ChangeError::Recovering => Self::busy(error.to_string()),
            // Nothing has happened, and there will be room.
            ChangeError::Store(busy @ TxnError::Overloaded { .. }) => Self::busy(busy.to_string()),
            ChangeError::Store(large @ TxnError::Limit { .. }) => {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                Self::new(status, code::BAD_REQUEST, component::JOBS, large.to_string())
            }
            ChangeError::Store(_) => {
                tracing::error!(error = %chain(&error), "a change was not made durable");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, code::DATASTORE, component::JOBS, error.to_string())
            }
            ChangeError::Read(_) => Self::internal(&error),
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Unchanged { .. } => {
                Self::refused(error.to_string()).hint("Use the --force flag to override this warning")
            }
            SubmitError::TypeChanged { .. } => {
                Self::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, component::JOBS, error.to_string())
            }
            SubmitError::IdTaken(_) => {
                Self::new(StatusCode::CONFLICT, code::RESOURCE_IN_USE, component::JOBS, error.to_string())
            }
            SubmitError::Foreign => Self::forbidden(error.to_string()),
            SubmitError::Change(error) => error.into(),
        }
    }
}

impl From<StopError> for ApiError {
    fn from(error: StopError) -> Self {
        match error {
            StopError::NotFound(id) => Self::job_not_found(id.as_str()),
            // Bacalhau gives this one a code, and no other.
            StopError::Ended(JobState::Failed) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                code::CONFLICT_JOB_STATE,
                component::JOBS,
                error.to_string(),
            ),
            StopError::Ended(_) => Self::refused(error.to_string()),
            StopError::Change(error) => error.into(),
        }
    }
}

impl From<RerunError> for ApiError {
    fn from(error: RerunError) -> Self {
        match error {
            RerunError::NotFound(id) => Self::job_not_found(id.as_str()),
            RerunError::NotYet(_) => Self::refused(error.to_string())
                .hint("try to use the job run command instead of the job rerun command"),
            RerunError::Change(error) => error.into(),
        }
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::NotFound(id) => Self::node_not_found(&id),
            NodeError::Already { .. } | NodeError::NoOtherKey(_) => Self::new(
                StatusCode::CONFLICT,
                code::CONFLICT_NODE_STATE,
                component::NODES,
                error.to_string(),
            ),
            NodeError::Change(error) => error.into(),
        }
    }
}

impl From<RelayError> for ApiError {
    fn from(error: RelayError) -> Self {
        if let RelayError::Refused { code: ReplyCode::NotFound, .. } = error {
            return Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, component::NODES, error.to_string())
                .hint("A node does not keep it for ever; run the job again to have it made once more.");
        }
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, component::NODES, error.to_string())
            .hint("What lies on a node can be fetched when the node is connected again.")
    }
}

impl From<blobs::Error> for ApiError {
    fn from(error: blobs::Error) -> Self {
        Self::internal(&error)
    }
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
