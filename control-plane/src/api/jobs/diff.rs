//! What submitting a job would change (api.md 3.2).

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use bacalhau_protocol::api::DiffJobResponse;
use bacalhau_protocol::api::decode::{RESERVED_META_PREFIX, decode};
use bacalhau_protocol::model::{Job, JobSpec};
use serde_json::Value;
use similar::{Algorithm, TextDiff};

use super::{lookup, show};
use crate::api::answer::Answer;
use crate::api::body::JsonBody;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::routes::Api;
use crate::orchestrator::SubmitError;

/// Time after which the shortest difference is no longer looked for, only some difference.
const EFFORT: Duration = Duration::from_millis(200);
/// What no submission can change.
const NOT_THE_USERS: [&str; 6] = ["ID", "State", "Version", "Revision", "CreateTime", "ModifyTime"];

/// Compares a job with the one that holds its name. Changes nothing.
pub(in crate::api) async fn diff(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    mut body: JsonBody,
) -> Result<Answer<DiffJobResponse>, ApiError> {
    authorize(&caller, Action::Read, Resource::Jobs)?;
    let wanted = decode(&body.take("Job"), &api.parts.defaults)?;
    let Some(name) = &wanted.name else {
        return Err(ApiError::bad_request(
            "invalid job spec: name is missing; only a job with a name can be updated",
        ));
    };
    let reader = api.parts.orchestrator.reader();
    let holder = match reader.named(&wanted.namespace, name).await? {
        Some(id) => reader.head(&id).await?,
        None => None,
    };
    let job = holder.ok_or_else(|| ApiError::name_not_found(name, &wanted.namespace))?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    if job.job_type != wanted.spec.job_type {
        let (name, is, wanted) = (name.clone(), job.job_type, wanted.spec.job_type);
        return Err(SubmitError::TypeChanged { name, is, wanted }.into());
    }
    let current = lookup::spec(&api, &job, job.version).await?;
    let diff = difference(&document(&caller, &job, &current)?, &document(&caller, &job, &wanted.spec)?);
    Ok(Answer(DiffJobResponse { diff, warnings: wanted.warnings }))
}

/// What users may set of a job, as YAML: that is what they compare it with.
fn document(caller: &Caller, job: &Job, spec: &JobSpec) -> Result<String, ApiError> {
    let shown = show::job(caller, job, job.version, spec);
    let mut document = serde_json::to_value(shown).map_err(|error| ApiError::internal(&error))?;
    if let Value::Object(members) = &mut document {
        members.retain(|key, _| !NOT_THE_USERS.contains(&key.as_str()));
        if let Some(Value::Object(meta)) = members.get_mut("Meta") {
            meta.retain(|key, _| !key.starts_with(RESERVED_META_PREFIX));
        }
    }
    serde_norway::to_string(&document).map_err(|error| ApiError::internal(&error))
}

/// Unified, with lines that begin with `+` or `-`; empty when there is none.
fn difference(old: &str, new: &str) -> String {
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).timeout(EFFORT).diff_lines(old, new);
    diff.unified_diff().context_radius(3).header("current", "submitted").to_string()
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn equal_texts_have_no_difference_and_others_show_their_lines() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), "");
        let shown = difference("Count: 1\nName: a\n", "Count: 3\nName: a\n");
        assert!(shown.contains("-Count: 1\n+Count: 3\n Name: a\n"), "{shown}");
    }
}
