//! A job comes in (api.md 3.1).

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use bacalhau_protocol::api::PutJobResponse;
use bacalhau_protocol::api::decode::{Decoded, decode};
use bacalhau_protocol::model::JobSpec;
use bacalhau_protocol::spec::inline;

use crate::api::answer::Answer;
use crate::api::body::JsonBody;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::routes::Api;
use crate::blobs::BlobId;
use crate::orchestrator::Submission;

/// From this version on clients know that names are unique; for older ones a submission is always a new version.
const KNOWS_UPDATES: (u64, u64, u64) = (1, 8, 0);

/// Takes a job in. 200 means that it is on disk, and so is the data it brought.
pub(in crate::api) async fn submit(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    mut body: JsonBody,
) -> Result<Answer<PutJobResponse>, ApiError> {
    authorize(&caller, Action::Write, Resource::Jobs)?;
    let force = body.flag("Force")? || caller.is_older_than(KNOWS_UPDATES);
    let Decoded { name, namespace, custom_id, mut spec, blobs, warnings, .. } =
        decode(&body.take("Job"), &api.parts.defaults)?;
    for bytes in blobs.into_values() {
        api.parts.blobs.put(Bytes::from(bytes)).await?;
    }
    check_blobs(&api, &spec).await?;
    add_server_notes(&api, &headers, &mut spec);
    let submission = Submission { name, namespace, custom_id, spec, submitter: caller.client_id, force };
    let submitted = api.parts.orchestrator.submit(submission).await?;
    Ok(Answer(PutJobResponse {
        job_id: submitted.job_id.to_string(),
        evaluation_id: submitted.evaluation_id.to_string(),
        warnings,
    }))
}

/// A job that was shown and is submitted again refers to data that may be gone. What is here stays until the job is stored.
async fn check_blobs(api: &Api, spec: &JobSpec) -> Result<(), ApiError> {
    for (index, input) in spec.task.inputs.iter().enumerate() {
        let Some(blob) = inline::blob_of(&input.source) else { continue };
        if !api.parts.blobs.refresh(BlobId(blob.hash)).await? {
            return Err(ApiError::bad_request(format!(
                "Tasks[0].InputSources[{index}].Source.Params.URL: the data it refers to is not stored here (any more); \
                 give the data itself"
            )));
        }
    }
    Ok(())
}

/// Notes under reserved keys (api.md 4.3).
fn add_server_notes(api: &Api, headers: &HeaderMap, spec: &mut JobSpec) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let notes = [
        ("bacalhau.org/orchestrator.id", Some(api.parts.node_id.clone())),
        ("bacalhau.org/requester.id", Some(api.parts.node_id.clone())),
        ("bacalhau.org/server.installation.id", api.parts.installation_id.clone()),
        ("bacalhau.org/server.instance.id", Some(api.parts.instance_id.clone())),
        ("bacalhau.org/client.installation.id", header("x-bacalhau-installationid")),
        ("bacalhau.org/client.instance.id", header("x-bacalhau-instanceid")),
    ];
    for (key, value) in notes {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            spec.meta.insert(key.to_owned(), value);
        }
    }
}
