//! Which path is whose.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::{MethodRouter, any, get};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::error::ApiError;
use super::host::Names;
use super::{Parts, door, openapi, operations};

/// Log streams open at a time.
const MAX_LOG_STREAMS: usize = 1024;

/// What handlers get.
pub(super) struct Api {
    pub(super) parts: Parts,
    pub(super) log_streams: Arc<Semaphore>,
}

/// All routes, behind the one door, of a server that answers to `names`.
pub(super) fn routes(parts: Parts, names: Names) -> Router {
    let api = Api { parts, log_streams: Arc::new(Semaphore::new(MAX_LOG_STREAMS)) };
    let operations = operations::all();
    let document = Arc::new(openapi::document(&operations));
    let mut router = Router::new();
    for operation in operations {
        router = router.route(operation.path, operation.handler);
    }
    router
        .route(openapi::PATH, get(move || ready(Answer(Arc::<Value>::clone(&document)))))
        .route("/api/v1/requester/{*path}", any(|| ready(ApiError::gone())))
        .route("/", moved("/api/v1/agent/version"))
        .route("/version", moved("/api/v1/agent/version"))
        .route("/livez", moved("/api/v1/agent/alive"))
        .route("/api/v1/livez", get(|| ready("OK")))
        .fallback(|| ready(ApiError::no_route()))
        .layer(axum::middleware::from_fn_with_state(names, door::pass))
        .with_state(Arc::new(api))
}

/// Where older clients still look.
fn moved(to: &'static str) -> MethodRouter<Arc<Api>> {
    get(move || ready((StatusCode::MOVED_PERMANENTLY, [(LOCATION, to)])))
}
