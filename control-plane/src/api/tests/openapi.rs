use std::collections::BTreeSet;

use serde_json::Value;

use super::world::World;
use crate::api::openapi::PATH;

#[tokio::test]
async fn the_document_is_whole() {
    let world = World::start().await;
    let document = world.get(PATH).await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(!operation["responses"]["default"].is_null(), "{method} {path}");
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
        }
    }
    assert!(names.contains("get_orchestrator_jobs_id_history"), "{names:?}");
    for reference in references(&document) {
        let name = reference.strip_prefix("#/components/schemas/");
        let is_known = name.is_none_or(|name| schemas.contains_key(name));
        assert!(is_known, "{reference} leads nowhere");
    }
    let state = &schemas["Job"]["required"];
    assert!(state.as_array().unwrap().contains(&Value::from("State")), "{state}");
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
