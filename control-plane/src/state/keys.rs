//! Keys of the store. All begin with cluster and schema (`b1/`); user strings that may be long are hashed.

use bacalhau_protocol::ids::{ExecutionId, JobId, NodeId};
use bacalhau_protocol::model::Execution;
use bacalhau_protocol::time::Timestamp;
use bytes::Bytes;
use sha2::{Digest, Sha256};

const PREFIX: &str = "b1/";

/// A job's head.
pub fn job(id: &JobId) -> Bytes {
    format!("{PREFIX}job/{id}").into()
}

/// All heads of jobs whose id begins with `start`.
pub fn jobs(start: &str) -> Bytes {
    format!("{PREFIX}job/{start}").into()
}

/// One version of a job's specification.
pub fn version(id: &JobId, version: u64) -> Bytes {
    format!("{PREFIX}version/{id}/{version:016x}").into()
}

/// All versions of a job.
pub fn versions(id: &JobId) -> Bytes {
    format!("{PREFIX}version/{id}/").into()
}

/// All versions of all jobs.
pub fn all_versions() -> Bytes {
    format!("{PREFIX}version/").into()
}

/// Who holds a name.
pub fn name(namespace: &str, name: &str) -> Bytes {
    format!("{PREFIX}name/{}/{}", digest(namespace), digest(name)).into()
}

/// Marks a job that has not ended or may still run somewhere, so that a start reads what is in progress and nothing else.
pub fn live(id: &JobId) -> Bytes {
    format!("{PREFIX}live/{id}").into()
}

/// All marks of jobs in progress.
pub fn all_live() -> Bytes {
    format!("{PREFIX}live/").into()
}

/// One execution.
pub fn execution(job: &JobId, id: &ExecutionId) -> Bytes {
    format!("{PREFIX}execution/{job}/{id}").into()
}

/// All executions of a job.
pub fn executions(job: &JobId) -> Bytes {
    format!("{PREFIX}execution/{job}/").into()
}

/// Start of the keys of all executions.
pub fn all_executions() -> &'static [u8] {
    b"b1/execution/"
}

/// Place of an execution in the order of creation within its job. Versions follow each other in it, as they do in time.
pub fn made(execution: &Execution) -> Bytes {
    let Execution { id, job_id, job_version, created, .. } = execution;
    format!("{PREFIX}made/{job_id}/{job_version:016x}/{:016x}/{id}", nanos(*created)).into()
}

/// All places of the order of creation of a job's executions, or of those of one version.
pub fn all_made(job: &JobId, version: Option<u64>) -> Bytes {
    match version {
        None => format!("{PREFIX}made/{job}/").into(),
        Some(version) => format!("{PREFIX}made/{job}/{version:016x}/").into(),
    }
}

/// Place of an execution that was written at `modified` in the order of changes of its job's version.
pub fn touched(execution: &Execution, modified: Timestamp) -> Bytes {
    let Execution { id, job_id, job_version, .. } = execution;
    format!("{PREFIX}touched/{job_id}/{job_version:016x}/{:016x}/{id}", nanos(modified)).into()
}

/// All places of the order of changes of the executions of one version.
pub fn all_touched(job: &JobId, version: u64) -> Bytes {
    format!("{PREFIX}touched/{job}/{version:016x}/").into()
}

/// All places of the orders of changes of all versions.
pub fn every_touched(job: &JobId) -> Bytes {
    format!("{PREFIX}touched/{job}/").into()
}

/// A run of history entries that begins with `sequence`.
pub fn history(job: &JobId, sequence: u64) -> Bytes {
    format!("{PREFIX}history/{job}/{sequence:016x}").into()
}

/// All history of a job.
pub fn histories(job: &JobId) -> Bytes {
    format!("{PREFIX}history/{job}/").into()
}

/// Place of a job in the listing by age: one order over all namespaces, one within its own.
pub fn listed(namespace: Option<&str>, created: Timestamp, id: &JobId) -> Bytes {
    format!("{}{:016x}/{id}", listing_prefix(namespace), nanos(created)).into()
}

/// All places of the listing over all namespaces, or within one.
pub fn listing(namespace: Option<&str>) -> Bytes {
    listing_prefix(namespace).into()
}

/// Place of a job in the order of changes, over all namespaces.
pub fn changed(at: Timestamp, id: &JobId) -> Bytes {
    format!("{PREFIX}changed/{:016x}/{id}", nanos(at)).into()
}

/// All places of the order of changes.
pub fn all_changed() -> Bytes {
    format!("{PREFIX}changed/").into()
}

/// The job id at the end of a listing key.
pub fn listed_job(key: &[u8]) -> Option<JobId> {
    let text = std::str::from_utf8(key).ok()?;
    JobId::parse(text.rsplit_once('/')?.1).ok()
}

/// The job whose head or history a key holds.
pub fn job_with_news(key: &[u8]) -> Option<&str> {
    let key = std::str::from_utf8(key).ok()?.strip_prefix(PREFIX)?;
    key.strip_prefix("job/").or_else(|| Some(key.strip_prefix("history/")?.split_once('/')?.0))
}

/// The last part of a key made here.
pub fn last_part(key: &[u8]) -> Option<&str> {
    Some(std::str::from_utf8(key).ok()?.rsplit_once('/')?.1)
}

/// When a job ended, for retention.
pub fn ended(at: Timestamp, id: &JobId) -> Bytes {
    format!("{PREFIX}ended/{:016x}/{id}", nanos(at)).into()
}

/// All ended jobs, oldest first.
pub fn all_ended() -> Bytes {
    format!("{PREFIX}ended/").into()
}

/// A node.
pub fn node(id: &NodeId) -> Bytes {
    format!("{PREFIX}node/{id}").into()
}

/// All nodes.
pub fn nodes() -> Bytes {
    format!("{PREFIX}node/").into()
}

fn listing_prefix(namespace: Option<&str>) -> String {
    match namespace {
        None => format!("{PREFIX}listed/"),
        Some(namespace) => format!("{PREFIX}listed-in/{}/", digest(namespace)),
    }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

/// 128 bits are enough to tell names apart, and keep keys short.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MAX_KEY_BYTES;

    #[test]
    fn the_longest_ids_fit_into_keys() {
        let job = JobId::parse(&"j".repeat(128)).unwrap();
        let execution = ExecutionId::parse(&"e".repeat(128)).unwrap();
        assert!(super::execution(&job, &execution).len() <= MAX_KEY_BYTES);
        assert!(listed(Some(&"n".repeat(10_000)), Timestamp(i64::MAX), &job).len() <= MAX_KEY_BYTES);
    }

    #[test]
    fn heads_and_history_are_news_of_their_job_and_nothing_else_is() {
        let id = JobId::parse("nightly-report").unwrap();
        for key in [job(&id), history(&id, 7)] {
            assert_eq!(job_with_news(&key), Some("nightly-report"));
        }
        for key in [version(&id, 1), live(&id), executions(&id)] {
            assert_eq!(job_with_news(&key), None);
        }
    }

    #[test]
    fn listing_keys_name_their_job() {
        let job = JobId::parse("nightly-report").unwrap();
        assert_eq!(listed_job(&listed(None, Timestamp(5), &job)), Some(job));
    }
}
