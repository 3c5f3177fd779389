//! From the JSON of a job as anyone may write it to a specification that makes sense.
//!
//! In this order (semantics.md 0.5): read, normalise, clear what users may not set (with warnings), fill in defaults,
//! rewrite old WASM specifications, validate. All mistakes are told at once, each with its place. The command line and
//! the server use this one door, so both say the same about a job.

mod environment;
mod job;
mod legacy_wasm;
mod limits;
mod network;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ids::JobId;
use crate::model::{JobSpec, JobType, SpecConfig};
pub use crate::spec::FieldError;
use crate::spec::{Fields, Report, join};

/// Largest specification, bytes as stored; inline data above 16 KiB does not count.
pub const MAX_SPEC_BYTES: usize = 256 * 1024;
/// Namespace of jobs that name none.
pub const DEFAULT_NAMESPACE: &str = "default";
/// Meta keys with this in front are the server's.
pub const RESERVED_META_PREFIX: &str = "bacalhau.org/";

/// A job that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What the user calls it; the id when the user gave none.
    pub name: Option<String>,
    /// [`DEFAULT_NAMESPACE`] when the user gave none.
    pub namespace: String,
    /// An id chosen by the user; service and daemon jobs only.
    pub custom_id: Option<JobId>,
    /// What to do.
    pub spec: JobSpec,
    /// Data to store before the job, by SHA-256: what was inline and large. The specification refers to it.
    pub blobs: BTreeMap<[u8; 32], Vec<u8>>,
    /// What was ignored or odd, unknown fields included.
    pub warnings: Vec<String>,
    /// Fields nobody knows. Servers warn of them, the command line refuses them.
    pub unknown_fields: Vec<FieldError>,
}

/// A job that cannot be accepted, and every reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", join(errors))]
pub struct InvalidJob {
    /// At least one.
    pub errors: Vec<FieldError>,
}

/// What jobs get that do not ask (`JobDefaults` of the configuration).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// For batch jobs.
    pub batch: TypeDefaults,
    /// For ops jobs.
    pub ops: TypeDefaults,
    /// For service jobs.
    pub service: TypeDefaults,
    /// For daemon jobs.
    pub daemon: TypeDefaults,
}

/// What jobs of one type get that do not ask.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeDefaults {
    /// Scheduling priority.
    pub priority: i32,
    /// Cores, as text.
    pub cpu: String,
    /// Bytes with a unit.
    pub memory: String,
    /// Bytes with a unit; empty for none.
    pub disk: String,
    /// A number; empty for none.
    pub gpu: String,
    /// Batch and ops only.
    pub publisher: SpecConfig,
    /// Seconds, 0 for none; batch and ops only.
    pub execution_timeout_s: u64,
    /// Seconds, 0 for none; batch and ops only.
    pub total_timeout_s: u64,
}

impl Default for TypeDefaults {
    fn default() -> Self {
        Self {
            priority: 0,
            cpu: "500m".to_owned(),
            memory: "512Mb".to_owned(),
            disk: String::new(),
            gpu: String::new(),
            publisher: SpecConfig::default(),
            execution_timeout_s: 0,
            total_timeout_s: 0,
        }
    }
}

impl Defaults {
    fn of(&self, job_type: JobType) -> &TypeDefaults {
        match job_type {
            JobType::Batch => &self.batch,
            JobType::Ops => &self.ops,
            JobType::Service => &self.service,
            JobType::Daemon => &self.daemon,
        }
    }
}

/// Reads a job.
pub fn decode(job: &Value, defaults: &Defaults) -> Result<Decoded, InvalidJob> {
    let mut report = Report::default();
    if job.is_null() {
        report.error("", "empty/nil job");
    }
    let decoded =
        Fields::new("", job, &mut report).map(|mut fields| job::read(&mut fields, defaults, &mut report));
    match decoded {
        Some(mut decoded) if report.errors.is_empty() => {
            decoded.warnings = report.warnings;
            decoded.warnings.extend(report.unknown.iter().map(FieldError::to_string));
            decoded.unknown_fields = report.unknown;
            Ok(decoded)
        }
        // A misspelt field is often why another one is missing.
        _ => Err(InvalidJob { errors: report.errors.into_iter().chain(report.unknown).collect() }),
    }
}
