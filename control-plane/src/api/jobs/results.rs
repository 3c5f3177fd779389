//! Where a job's results are (api.md 3.10).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use bacalhau_protocol::api::{ListResponse, SpecConfig};

use super::show::Shown;
use super::{executions, lookup};
use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::query::Params;
use crate::api::routes::Api;

/// Lists what the executions of the latest version published. A task that ended badly has results too.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Answer<ListResponse<SpecConfig>>, ApiError> {
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    if job.job_type.is_long_running() {
        let message = format!("job type {} does not support results", job.job_type.as_str());
        return Err(ApiError::bad_request(message));
    }
    let executions = executions::all(&api, &job, Some(job.version)).await?;
    let shown = Shown::to(&headers, &caller);
    let items = executions.iter().filter_map(|execution| shown.published(execution)).collect();
    Ok(Answer(ListResponse { next_token: String::new(), items }))
}
