//! Which results can be fetched, and whose they are.

use bacalhau_protocol::api::{Execution, SpecConfig};
use bacalhau_protocol::ids::ExecutionId;
use serde_json::Value;

use super::Answer;
use crate::client::RemoteArchive;

/// Archives this client can fetch, sorted by node, and published results it cannot.
pub fn answers(published: &[SpecConfig], executions: &[Execution]) -> (Vec<Answer>, Vec<SpecConfig>) {
    let mut answers = Vec::new();
    let mut foreign = Vec::new();
    for (index, result) in published.iter().enumerate() {
        match archive(result) {
            Some(archive) => answers.push(answer(index, archive, executions)),
            None => foreign.push(result.clone()),
        }
    }
    answers.sort_by(|a, b| (&a.node_id, &a.execution_id).cmp(&(&b.node_id, &b.execution_id)));
    (answers, foreign)
}

fn archive(result: &SpecConfig) -> Option<RemoteArchive> {
    let url = match result.kind.to_ascii_lowercase().as_str() {
        "urldownload" => result.param("URL")?,
        "s3presigned" => result.param("PreSignedURL")?,
        _ => return None,
    };
    Some(RemoteArchive {
        url: url.as_str()?.parse().ok()?,
        sha256: result.param("SHA256").and_then(Value::as_str).map(str::to_owned),
        size: result.param("Size").and_then(Value::as_u64),
    })
}

/// An archive's URL names its execution: `…/<id>.tar.gz` or `…/<id>/results.tar.gz`.
fn answer(index: usize, archive: RemoteArchive, executions: &[Execution]) -> Answer {
    let segments: Vec<&str> = archive.url.path_segments().into_iter().flatten().collect();
    let named = |execution: &&Execution| {
        let file = format!("{}.tar.gz", execution.id);
        segments.iter().any(|segment| *segment == execution.id || *segment == file)
    };
    match executions.iter().find(named).filter(|execution| ExecutionId::parse(&execution.id).is_ok()) {
        Some(execution) => {
            Answer { execution_id: execution.id.clone(), node_id: execution.node_id.clone(), archive }
        }
        None => Answer { execution_id: format!("result-{}", index + 1), node_id: String::new(), archive },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn archives_find_their_node_by_the_url() {
        let executions: Vec<Execution> = read(json!([
            {"ID": "e-1", "NodeID": "b"}, {"ID": "e-2", "NodeID": "a"}, {"ID": "e-3", "NodeID": "c"}
        ]));
        let published: Vec<SpecConfig> = read(json!([
            {"Type": "urlDownload", "Params": {"URL": "http://h/api/v1/orchestrator/executions/e-1/results.tar.gz", "SHA256": "ab", "Size": 7}},
            {"Type": "urlDownload", "Params": {"URL": "http://h:6001/e-2.tar.gz"}},
            {"Type": "urlDownload", "Params": {"URL": "http://h/x.tar.gz"}},
            {"Type": "ipfs", "Params": {"CID": "Qm"}}
        ]));
        let (answers, foreign) = answers(&published, &executions);
        let names: Vec<_> = answers.iter().map(|a| (a.node_id.as_str(), a.execution_id.as_str())).collect();
        assert_eq!(names, [("", "result-3"), ("a", "e-2"), ("b", "e-1")]);
        assert_eq!((answers[2].archive.size, answers[2].archive.sha256.as_deref()), (Some(7), Some("ab")));
        assert_eq!(foreign.len(), 1);
    }
}
