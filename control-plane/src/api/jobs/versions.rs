//! All versions of a job (api.md 3.9).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use bacalhau_protocol::api::{self, ListResponse};
use bacalhau_protocol::model::{Job, topic};
use bacalhau_protocol::time::Timestamp;

use super::{lookup, show};
use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::page::{Token, page_size};
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::state::HistoryQuery;

/// One page of a job's versions, oldest first. Each was last modified when it came: clients show that as its time of creation.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Answer<ListResponse<api::Job>>, ApiError> {
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    let (limit, after) = place(&params)?;
    let page = api.parts.orchestrator.reader().versions(&job.id, after, limit).await?;
    let mut items = Vec::with_capacity(page.versions.len());
    for (version, spec) in &page.versions {
        let modify_time = came(&api, &job, *version).await?.map_or(0, |at| at.0);
        items.push(api::Job { modify_time, ..show::job(&caller, &job, *version, spec) });
    }
    let last = page.versions.last().filter(|_| page.more);
    let token = last.map(|(version, _)| {
        Token { sort: String::new(), reverse: false, limit, position: version.to_string() }.to_string()
    });
    Ok(Answer(ListResponse { next_token: token.unwrap_or_default(), items }))
}

/// The size of the page, and the version that it begins behind.
fn place(params: &Params) -> Result<(usize, u64), ApiError> {
    match params.text("next_token") {
        "" => Ok((page_size(params.number("limit")?), 0)),
        token => {
            let Token { limit, position, .. } = Token::parse(token)?;
            Ok((limit, position.parse().map_err(|_| ApiError::bad_token(token))?))
        }
    }
}

/// When a version came. The head knows the first and the current one; those between began with an event, unless it is
/// among what the job has forgotten of its past.
async fn came(api: &Api, job: &Job, version: u64) -> Result<Option<Timestamp>, ApiError> {
    if version <= 1 {
        return Ok(Some(job.created));
    }
    if version == job.version {
        return Ok(Some(job.version_created));
    }
    let first = HistoryQuery { after: 0, limit: 1, version: Some(version) };
    let found = api.parts.orchestrator.reader().history(job, &first, |_| true).await?;
    let beginning = found.entries.first().filter(|entry| entry.event.topic == topic::SUBMISSION);
    Ok(beginning.map(|entry| entry.event.at))
}
