//! All versions of a job (api.md 3.9).

use std::collections::BTreeMap;
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
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::state::HistoryQuery;

/// Lists a job's versions, oldest first. Each was last modified when it came: clients show that as its time of creation.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Answer<ListResponse<api::Job>>, ApiError> {
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    let versions = api.parts.orchestrator.reader().versions(&job.id).await?;
    let came = came(&api, &job, versions.iter().map(|(version, _)| *version)).await?;
    let shown = versions.iter().map(|(version, spec)| {
        let shown = show::job(&caller, &job, *version, spec);
        let modify_time = came.get(version).map_or(0, |at| at.0);
        api::Job { modify_time, ..shown }
    });
    Ok(Answer(ListResponse { next_token: String::new(), items: shown.collect() }))
}

/// When each of the versions came. The head knows the first and the current one; those between began with an event, unless
/// it is among what the job has forgotten of its past.
async fn came(
    api: &Api,
    job: &Job,
    versions: impl Iterator<Item = u64>,
) -> Result<BTreeMap<u64, Timestamp>, ApiError> {
    let mut came = BTreeMap::from([(job.version, job.version_created)]);
    for version in versions.filter(|version| *version < job.version) {
        let first = HistoryQuery { after: 0, limit: 1, version: Some(version) };
        let found = api.parts.orchestrator.reader().history(job, &first, |_| true).await?;
        let beginning = found.entries.first().filter(|entry| entry.event.topic == topic::SUBMISSION);
        came.extend(beginning.map(|entry| (version, entry.event.at)));
    }
    came.insert(1, job.created);
    Ok(came)
}
