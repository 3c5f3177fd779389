//! What a probe is told: the job as the API shows it, and beside it the fields that probes of older versions read.

use bacalhau_protocol::api::{Job, Task};
use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::wire::Work;
use serde_json::{Value, json};

/// One line of JSON.
pub(super) fn about(node: &NodeId, work: &Work) -> String {
    let job = Job {
        id: work.job_id.to_string(),
        name: work.job_name.clone(),
        namespace: work.namespace.clone(),
        job_type: work.job_type.as_str().to_owned(),
        priority: work.priority,
        count: work.count,
        tasks: vec![Task::from(&work.task)],
        version: work.job_version,
        ..Job::default()
    };
    let engine = params(&work.task.engine);
    let inputs: Vec<Value> = work
        .task
        .inputs
        .iter()
        .map(|input| {
            json!({"engine": input.source.kind, "cid": params(&input.source)["CID"], "path": input.target})
        })
        .collect();
    let spec = json!({
        "engine": work.task.engine.kind,
        "job_spec_vm": {"image": engine["Image"], "entrypoint": engine["Entrypoint"]},
        "inputs": inputs,
    });
    json!({"Job": job, "node_id": node.as_str(), "job_id": work.job_id.as_str(), "spec": spec}).to_string()
}

fn params(spec: &SpecConfig) -> Value {
    serde_json::from_str(&spec.params).unwrap_or(Value::Null)
}
