//! The same job again (api.md 3.6).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use bacalhau_protocol::api::RerunJobResponse;
use bacalhau_protocol::api::decode::DEFAULT_NAMESPACE;

use super::lookup;
use crate::api::answer::Answer;
use crate::api::body::JsonBody;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::routes::Api;

/// Runs a version of a job again, as its next version.
pub(in crate::api) async fn rerun(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    mut body: JsonBody,
) -> Result<Answer<RerunJobResponse>, ApiError> {
    let namespace = body.text("Namespace")?;
    let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { &namespace };
    let job = lookup::job(&api, &text, namespace).await?;
    authorize(&caller, Action::Write, Resource::Job { submitter: &job.submitter })?;
    let version = Some(body.number("JobVersion")?).filter(|version| *version > 0);
    if let Some(version) = version {
        lookup::spec(&api, &job, version).await?;
    }
    let submitted = api.parts.orchestrator.rerun(&job.id, version).await?;
    let head = lookup::job(&api, submitted.job_id.as_str(), namespace).await?;
    Ok(Answer(RerunJobResponse {
        job_id: submitted.job_id.to_string(),
        job_version: head.version,
        evaluation_id: submitted.evaluation_id.to_string(),
        warnings: Vec::new(),
    }))
}
