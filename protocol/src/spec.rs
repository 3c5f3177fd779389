//! What engines, input sources and publishers are told, typed. Control plane and agent read parameters with the same
//! code, so a job that was accepted means the same on the node.
//!
//! Keys are found without regard to case. Each reader lists everything that is wrong, by key.

pub mod data_url;
mod date_layout;
pub mod docker;
mod fields;
pub mod inline;
pub mod local;
mod pattern;
pub mod publisher;
mod report;
pub mod s3;
mod suggest;
pub mod wasm;

pub use date_layout::DateLayout;
pub(crate) use fields::Fields;
pub use pattern::Pattern;
pub use report::FieldError;
pub(crate) use report::{Report, join};
pub use suggest::closest;

use serde_json::Value;

use crate::model::SpecConfig;

/// Parameters that cannot be used, each by name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", join(.0))]
pub struct InvalidParams(pub Vec<FieldError>);

/// Runs a reader over the parameters of `config` and gathers what it reports.
fn read<T>(
    config: &SpecConfig,
    reader: impl FnOnce(&mut Fields<'_>, &mut Report) -> T,
) -> Result<T, InvalidParams> {
    let mut report = Report::default();
    let text = if config.params.is_empty() { "{}" } else { &config.params };
    let params: Value = serde_json::from_str(text).map_err(|error| {
        InvalidParams(vec![FieldError { path: "Params".to_owned(), message: error.to_string() }])
    })?;
    let value =
        Fields::new("Params", &params, &mut report).map(|mut fields| reader(&mut fields, &mut report));
    match value {
        Some(value) if report.errors.is_empty() => Ok(value),
        _ => Err(InvalidParams(report.errors)),
    }
}

/// Reports what is wrong with parameters of a kind this build knows; says nothing about others.
pub(crate) fn check_source(kind: &str, fields: &mut Fields<'_>, report: &mut Report) {
    match kind.to_lowercase().as_str() {
        "inline" => drop(inline::InlineSource::from_fields(fields, report)),
        "local" | "localdirectory" => drop(local::LocalSource::from_fields(fields, report)),
        "s3" => drop(s3::S3Source::from_fields(fields, report)),
        _ => return,
    }
    fields.report_unknown(report);
}
