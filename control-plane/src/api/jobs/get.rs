//! One job, with its executions and history on request (api.md 3.4).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use bacalhau_protocol::api::GetJobResponse;

use super::{executions, history, lookup, show};
use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::query::Params;
use crate::api::routes::Api;

/// Shows a job.
pub(in crate::api) async fn get(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Answer<GetJobResponse>, ApiError> {
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    let version = lookup::version(&params, &job)?.unwrap_or(job.version);
    let spec = lookup::spec(&api, &job, version).await?;
    let includes = |word| params.all("include").flat_map(|list| list.split(',')).any(|part| part == word);
    let mut answer =
        GetJobResponse { job: show::job(&caller, &job, version, &spec), ..GetJobResponse::default() };
    if includes("executions") {
        let page = executions::Page::of_version(version);
        answer.executions =
            Some(executions::page(&api, &job, &page, &show::Shown::to(&headers, &caller)).await?);
    }
    if includes("history") {
        let page = history::Page::of(Some(version));
        answer.history = Some(history::page(&api, &caller, &job, &page).await?);
    }
    Ok(Answer(answer))
}
