//! All versions of a job (api.md 3.9).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use bacalhau_protocol::api::{self, ListResponse};

use super::{lookup, show};
use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::query::Params;
use crate::api::routes::Api;

/// Lists a job's versions, oldest first.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Answer<ListResponse<api::Job>>, ApiError> {
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    let versions = api.parts.orchestrator.reader().versions(&job.id).await?;
    let items = versions.iter().map(|(version, spec)| show::job(&caller, &job, *version, spec)).collect();
    Ok(Answer(ListResponse { next_token: String::new(), items }))
}
