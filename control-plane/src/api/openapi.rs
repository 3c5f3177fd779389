//! The document that describes this API (OpenAPI 3.1), made from the table of operations and the types they speak in.

use bacalhau_protocol::api::ErrorBody;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::build;
use super::operation::{Gives, Kind, Operation, Query};

/// Where the document is served.
pub(super) const PATH: &str = "/api/v1/openapi.json";

/// The schema of a type, in terms of what a generator has collected.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Value;

/// The schema of `T`.
pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// Describes the operations.
pub(super) fn document(operations: &[Operation]) -> Value {
    // Answers share their types by name. Bodies are read more tolerantly than answers are written, so theirs stand alone.
    let mut written = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let mut read = SchemaSettings::draft2020_12()
        .for_deserialize()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    let mut paths = Map::new();
    for operation in operations {
        let described = describe(operation, &mut written, &mut read);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    let error = schema_of::<ErrorBody>(&mut written);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bacalhau for the edge",
            "version": build::VERSION,
            "description": "Compatible with the REST API of Bacalhau 1.4 to 1.9. Add `pretty` to any query for indented answers.",
        },
        "paths": paths,
        "components": {
            "schemas": written.take_definitions(true),
            "responses": {"Refusal": {
                "description": "Any other status: what went wrong, and what to try.",
                "content": {"application/json": {"schema": error}},
            }},
        },
    })
}

fn describe(operation: &Operation, written: &mut SchemaGenerator, read: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "summary": operation.summary,
        "operationId": operation_id(operation),
        "tags": [operation.path.split('/').nth(3).unwrap_or_default()],
        "parameters": parameters(operation),
        "responses": responses(operation, written),
    });
    if let Some(schema) = operation.body {
        described["requestBody"] = json!({"content": {"application/json": {"schema": schema(read)}}});
    }
    described
}

/// `get_orchestrator_jobs_id`.
fn operation_id(operation: &Operation) -> String {
    let words = operation.path.split(['/', '{', '}', '.']).filter(|word| !matches!(*word, "" | "api" | "v1"));
    words.fold(operation.method.to_owned(), |id, word| format!("{id}_{word}"))
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})
    });
    in_path.chain(operation.query.iter().map(query)).collect()
}

fn query(Query(name, kind, about): &Query) -> Value {
    let schema = match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Word(words) => json!({"type": "string", "enum": words}),
    };
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}

fn responses(operation: &Operation, written: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for (status, about, gives) in &operation.answers {
        let mut response = json!({"description": about});
        match gives {
            Gives::Json(schema) => {
                response["content"] = json!({"application/json": {"schema": schema(written)}});
            }
            Gives::Bytes(media) => {
                response["content"] = json!({*media: {"schema": {"type": "string", "format": "binary"}}});
            }
            Gives::Nothing => {}
        }
        responses.insert(status.to_string(), response);
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Refusal"}));
    Value::Object(responses)
}
