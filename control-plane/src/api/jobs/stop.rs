//! A caller no longer wants a job (api.md 3.5).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use bacalhau_protocol::api::StopJobResponse;

use super::lookup;
use crate::api::answer::Answer;
use crate::api::body::{self, JsonBody};
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::orchestrator::Stopped;

/// Stops a job. The reason may stand in the body (command line) or the query (web UI).
pub(in crate::api) async fn stop(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
    mut body: JsonBody,
) -> Result<Answer<StopJobResponse>, ApiError> {
    let in_body = body.text("reason")?;
    let reason = if in_body.is_empty() { params.text("reason").to_owned() } else { in_body };
    let reason = body::short("reason", reason)?;
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Write, Resource::Job { submitter: &job.submitter })?;
    let evaluation_id = match api.parts.orchestrator.stop(&job.id, &reason).await? {
        Stopped::Now(evaluation) => evaluation.to_string(),
        Stopped::Already => String::new(),
    };
    Ok(Answer(StopJobResponse { evaluation_id }))
}
