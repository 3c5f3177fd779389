//! Jobs to submit.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::guests;

/// A job of this type that runs the module with this text, is small, and publishes on its node.
pub(crate) fn of(job_type: &str, wat: &str) -> Value {
    of_bytes(job_type, &guests::assemble(wat))
}

/// The same for anything that should be a module.
pub(crate) fn of_bytes(job_type: &str, module: &[u8]) -> Value {
    let url = format!("data:application/wasm;base64,{}", STANDARD.encode(module));
    let source = json!({"Source": {"Type": "inline", "Params": {"URL": url}}});
    let publisher = if matches!(job_type, "batch" | "ops") { "local" } else { "" };
    json!({
        "Type": job_type,
        "Tasks": [{
            "Name": "main",
            "Engine": {"Type": "wasm", "Params": {"EntryModule": source}},
            "Publisher": {"Type": publisher},
            "Resources": {"CPU": "10m", "Memory": "16Mb"}
        }]
    })
}

/// A field of the job's task.
pub(crate) fn task<'a>(job: &'a mut Value, field: &str) -> &'a mut Value {
    &mut job["Tasks"][0][field]
}

/// Mounts a path of the node at `/data`.
pub(crate) fn mount(job: &mut Value, path: &Path, read_write: bool) {
    let params = json!({"SourcePath": path, "ReadWrite": read_write});
    let input =
        json!({"Alias": "data", "Target": "/data", "Source": {"Type": "localDirectory", "Params": params}});
    *task(job, "InputSources") = json!([input]);
}

/// Only nodes whose label has this value.
pub(crate) fn only_where(job: &mut Value, label: &str, value: &str) {
    job["Constraints"] = json!([{"Key": label, "Operator": "=", "Values": [value]}]);
}
