//! Jobs and executions as this server shows them.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use bacalhau_protocol::api;
use bacalhau_protocol::model::{Execution, Job, JobSpec};
use bacalhau_protocol::spec::publisher::{UrlDownload, results_path};

use crate::api::caller::Caller;
use crate::api::older;

/// Shows executions to a caller who reached the server under some address.
pub(super) struct Shown {
    base: String,
    caller: Caller,
}

impl Shown {
    /// Links lead back to where the request came in.
    pub(super) fn to(headers: &HeaderMap, caller: &Caller) -> Self {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let scheme = match headers.get("x-forwarded-proto") {
            Some(scheme) if scheme == "https" => "https",
            _ => "http",
        };
        Self { base: format!("{scheme}://{host}"), caller: caller.clone() }
    }

    /// An execution with links that can be followed.
    pub(super) fn execution(&self, execution: &Execution, job: &Job, spec: &JobSpec) -> api::Execution {
        let mut shown = api::Execution::from_model(execution, &job.namespace, &spec.task.name);
        if let Some(published) = self.published(execution) {
            shown.published_result = published;
        }
        older::execution(&self.caller, &mut shown);
        shown
    }

    /// Where an execution's results are. Those that lie with us or on a node get this server's address.
    pub(super) fn published(&self, execution: &Execution) -> Option<api::SpecConfig> {
        let published = execution.published.as_ref().filter(|published| !published.kind.is_empty())?;
        let download = published.is(UrlDownload::KIND).then(|| UrlDownload::parse(published).ok()).flatten();
        Some(match download.filter(|download| download.url.starts_with('/')) {
            Some(download) => {
                let url = format!("{}{}", self.base, results_path(&execution.job_id, &execution.id));
                api::SpecConfig::from(&UrlDownload { url, ..download }.to_config())
            }
            None => api::SpecConfig::from(published),
        })
    }
}

/// A job at one of its versions.
pub(super) fn job(caller: &Caller, job: &Job, version: u64, spec: &JobSpec) -> api::Job {
    let mut shown = api::Job { version, ..api::Job::from_model(job, spec) };
    older::job(caller, &mut shown);
    shown
}
