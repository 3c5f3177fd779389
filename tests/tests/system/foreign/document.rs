//! The API against its own OpenAPI document, tried by schemathesis.

use serde_json::json;

use super::{prepare, run};
use crate::harness::{Cluster, guests, job};

/// Requests per operation; all of them take well under two minutes.
const EXAMPLES: &str = "30";
/// What is checked of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    // Something to find; its name is the id that most requests are made with.
    let mut known = job::of("batch", &guests::hello("x"));
    known["Name"] = json!("known");
    let id = cluster.submit(&known).await;
    cluster.ended(&id).await;
    let hooks = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/system/foreign/schemathesis_hooks.py");
    let mut program = prepare(&cluster, "python/bin/schemathesis");
    program.env("SCHEMATHESIS_HOOKS", hooks).env("PYTHONDONTWRITEBYTECODE", "1");
    program.args(["run", &format!("{}/api/v1/openapi.json", cluster.endpoint())]);
    program.args(["--generation-deterministic", "--no-color"]);
    program.args(["--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing", "--checks", CHECKS]);
    // A socket is no request that it can make.
    program.args(["--exclude-path-regex", "/logs$", "--warnings", "off", "--suppress-health-check", "all"]);
    let (code, stdout, stderr) = run(&mut program).await;
    assert_eq!(code, 0, "{stdout}\n{stderr}");
}
