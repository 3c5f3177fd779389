//! Which path is whose.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::{MethodRouter, any, get, put};
use tokio::sync::Semaphore;

use super::error::ApiError;
use super::{Parts, agent, archive, door, jobs, nodes};

/// Log streams open at a time.
const MAX_LOG_STREAMS: usize = 1024;

/// What handlers get.
pub(super) struct Api {
    pub(super) parts: Parts,
    pub(super) log_streams: Arc<Semaphore>,
}

/// All routes, behind the one door.
pub(super) fn routes(parts: Parts) -> Router {
    let api = Api { parts, log_streams: Arc::new(Semaphore::new(MAX_LOG_STREAMS)) };
    Router::new()
        .nest("/api/v1/orchestrator/jobs", job_routes())
        .route("/api/v1/orchestrator/nodes", get(nodes::list))
        .route("/api/v1/orchestrator/nodes/{id}", get(nodes::get).put(nodes::change))
        .route("/api/v1/agent/alive", get(agent::alive))
        .route("/api/v1/agent/version", get(agent::version))
        .route("/api/v1/agent/node", get(agent::node))
        .route("/api/v1/agent/debug", get(agent::debug))
        .route("/api/v1/agent/authconfig", get(agent::auth_config))
        .route("/api/v1/requester/{*path}", any(|| ready(ApiError::gone())))
        .route("/", moved("/api/v1/agent/version"))
        .route("/version", moved("/api/v1/agent/version"))
        .route("/livez", moved("/api/v1/agent/alive"))
        .route("/api/v1/livez", get(|| ready("OK")))
        .route("/api/v1/healthz", get(agent::alive))
        .fallback(|| ready(ApiError::no_route()))
        .layer(axum::middleware::from_fn(door::pass))
        .with_state(Arc::new(api))
}

/// Where older clients still look.
fn moved(to: &'static str) -> MethodRouter<Arc<Api>> {
    get(move || ready((StatusCode::MOVED_PERMANENTLY, [(LOCATION, to)])))
}

fn job_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(jobs::list::list).put(jobs::submit::submit).post(jobs::submit::submit))
        .route("/{id}", get(jobs::get::get).delete(jobs::stop::stop))
        .route("/{id}/executions", get(jobs::executions::list))
        .route("/{id}/executions/{execution}/results.tar.gz", get(archive::download))
        .route("/{id}/history", get(jobs::history::list))
        .route("/{id}/logs", get(jobs::logs::follow))
        .route("/{id}/rerun", put(jobs::rerun::rerun))
        .route("/{id}/results", get(jobs::results::list))
        .route("/{id}/versions", get(jobs::versions::list))
}
