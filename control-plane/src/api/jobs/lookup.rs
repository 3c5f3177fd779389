//! From what a path says to the thing it means.

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::{Execution, Job, JobSpec};

use crate::api::error::ApiError;
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::state::{Lookup, ReadError};

/// A job by its name in a namespace, its id, or the start of its id.
pub(in crate::api) async fn job(api: &Api, text: &str, namespace: &str) -> Result<Job, ApiError> {
    match api.parts.orchestrator.reader().lookup(text, namespace).await? {
        Lookup::Found(job) => Ok(*job),
        Lookup::Nothing => Err(ApiError::job_not_found(text)),
        Lookup::Several(_) => Err(ApiError::several_jobs(text)),
    }
}

/// One version of a job's specification.
pub(super) async fn spec(api: &Api, job: &Job, version: u64) -> Result<JobSpec, ApiError> {
    match api.parts.orchestrator.reader().spec(&job.id, version).await {
        Err(ReadError::MissingVersion { .. }) => Err(ApiError::version_not_found(version, &job.id)),
        read => Ok(read?),
    }
}

/// An execution of a job by its id or the start of it.
pub(in crate::api) async fn execution(api: &Api, job: &JobId, text: &str) -> Result<Execution, ApiError> {
    let reader = api.parts.orchestrator.reader();
    let not_found = || ApiError::execution_not_found(text);
    let id = ExecutionId::parse(text).map_err(|_| not_found())?;
    if let Some(execution) = reader.execution(job, &id).await? {
        return Ok(execution);
    }
    let mut found = reader.executions_that_begin(job, text).await?.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(ApiError::several_executions(text)),
        (None, _) => Err(not_found()),
    }
}

/// Which versions of a job a query asks for; `None` for all.
pub(super) fn version(params: &Params, job: &Job) -> Result<Option<u64>, ApiError> {
    match params.number("job_version")? {
        0 if params.flag("all_job_versions")? => Ok(None),
        0 => Ok(Some(job.version)),
        version if version > job.version => Err(ApiError::version_not_found(version, &job.id)),
        version => Ok(Some(version)),
    }
}
