//! Jobs as `bacalhau create` took them before there were tasks: `APIVersion`, and a `Spec` with `Docker` or `Wasm`,
//! `Deal`, `inputs` and `outputs`. Rewritten into today's form; what has no meaning any more is dropped.

use std::time::Duration;

use bacalhau_protocol::api::decode::FieldError;
use bacalhau_protocol::spec::closest;
use serde_json::{Map, Value, json};

use super::find;

type Fields = Map<String, Value>;

/// Members of an old `Spec`, those without a meaning today included.
const KNOWN: [&str; 20] = [
    "Engine",
    "EngineSpec",
    "Verifier",
    "Publisher",
    "PublisherSpec",
    "Docker",
    "Wasm",
    "Language",
    "Resources",
    "Network",
    "Timeout",
    "Inputs",
    "Outputs",
    "Contexts",
    "Annotations",
    "NodeSelectors",
    "DoNotTrack",
    "Deal",
    "ExecutionPlan",
    "Sharding",
];

/// Whether the job has the old form.
pub(super) fn is_legacy(job: &Fields) -> bool {
    find(job, "Spec").is_some() && find(job, "Tasks").is_none()
}

/// The same job in today's form.
pub(super) fn rewritten(mut job: Fields) -> Result<Fields, Vec<FieldError>> {
    let mut spec = object(take(&mut job, "Spec"));
    let mut errors = unknown(&spec);
    let deal = object(take(&mut spec, "Deal").or_else(|| take(&mut job, "Deal")));
    let everywhere = get(&deal, "TargetingMode").is_some_and(|mode| *mode == true || *mode == "all");
    let task = task(&mut spec, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut new = Fields::new();
    new.insert("Type".into(), json!(if everywhere { "ops" } else { "batch" }));
    if !everywhere {
        new.insert(
            "Count".into(),
            get(&deal, "Concurrency").filter(|count| **count != 0).cloned().unwrap_or_else(|| json!(1)),
        );
    }
    let labels = list(take(&mut spec, "Annotations")).into_iter();
    let labels: Fields = labels.filter_map(|label| Some((label.as_str()?.to_owned(), json!("")))).collect();
    new.insert("Labels".into(), Value::Object(labels));
    new.insert("Constraints".into(), Value::Array(list(take(&mut spec, "NodeSelectors"))));
    new.insert("Tasks".into(), json!([task]));
    Ok(new)
}

fn unknown(spec: &Fields) -> Vec<FieldError> {
    let is_known = |name: &str| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name));
    let unknown = spec.keys().filter(|name| !is_known(name));
    let error = |name: &String| {
        let near = closest(name, &KNOWN).map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        FieldError { path: format!("Spec.{name}"), message: format!("unknown field{near}") }
    };
    unknown.map(error).collect()
}

fn task(spec: &mut Fields, errors: &mut Vec<FieldError>) -> Value {
    let inputs = list(take(spec, "Inputs")).into_iter().enumerate();
    let inputs: Vec<Value> =
        inputs.map(|(at, input)| source(&format!("Spec.inputs[{at}]"), input, errors)).collect();
    let outputs: Vec<Value> = list(take(spec, "Outputs"))
        .into_iter()
        .map(|output| object(Some(output)))
        .map(|output| json!({"Name": get(&output, "Name"), "Path": get(&output, "Path")}))
        .collect();
    let timeout =
        get(spec, "Timeout").and_then(Value::as_f64).and_then(|s| Duration::try_from_secs_f64(s).ok());
    let timeout = timeout.map_or(0, |timeout| timeout.as_secs());
    json!({
        "Name": "main",
        "Engine": engine(spec, errors),
        "Publisher": publisher(spec, !outputs.is_empty()),
        "InputSources": inputs,
        "ResultPaths": outputs,
        "Resources": take(spec, "Resources").unwrap_or_default(),
        "Network": take(spec, "Network").unwrap_or_default(),
        "Timeouts": {"ExecutionTimeout": timeout},
    })
}

fn engine(spec: &mut Fields, errors: &mut Vec<FieldError>) -> Value {
    if let Some(engine) = take(spec, "EngineSpec") {
        return lower_type(engine);
    }
    let named = get(spec, "Engine").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let (docker, wasm) = (take(spec, "Docker"), take(spec, "Wasm"));
    match named.as_str() {
        "docker" => json!({"Type": "docker", "Params": docker}),
        "wasm" => json!({"Type": "wasm", "Params": wasm_params(object(wasm), errors)}),
        other => {
            let message = format!("expected docker or wasm, found {other:?}");
            errors.push(FieldError { path: "Spec.Engine".into(), message });
            Value::Null
        }
    }
}

fn wasm_params(mut params: Fields, errors: &mut Vec<FieldError>) -> Fields {
    if let Some(module) = take(&mut params, "EntryModule") {
        params.insert("EntryModule".into(), source("Spec.Wasm.EntryModule", module, errors));
    }
    let imports = list(take(&mut params, "ImportModules")).into_iter().enumerate();
    let imports: Vec<Value> = imports
        .map(|(at, module)| source(&format!("Spec.Wasm.ImportModules[{at}]"), module, errors))
        .collect();
    params.insert("ImportModules".into(), json!(imports));
    params
}

/// IPFS was the default of a time that had no other way; results come home through the control plane now.
fn publisher(spec: &mut Fields, has_outputs: bool) -> Value {
    if let Some(publisher) = take(spec, "PublisherSpec") {
        return lower_type(publisher);
    }
    let named = get(spec, "Publisher").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    match named.as_str() {
        "" | "noop" | "estuary" | "filecoin" if has_outputs => json!({"Type": "local"}),
        "" | "noop" | "estuary" | "filecoin" => json!({"Type": ""}),
        other => json!({"Type": other}),
    }
}

/// An old storage specification as an input source.
fn source(path: &str, storage: Value, errors: &mut Vec<FieldError>) -> Value {
    let mut storage = object(Some(storage));
    let kind = take(&mut storage, "StorageSource").unwrap_or_default();
    let kind = kind.as_str().unwrap_or_default().to_lowercase();
    let params = |names: &[&str]| -> Fields {
        names.iter().filter_map(|name| Some(((*name).to_owned(), get(&storage, name)?.clone()))).collect()
    };
    let (kind, params) = match kind.as_str() {
        "ipfs" => ("ipfs", params(&["CID"])),
        "urldownload" => ("urlDownload", params(&["URL"])),
        "inline" => ("inline", params(&["URL"])),
        "localdirectory" => ("localDirectory", params(&["SourcePath", "ReadWrite"])),
        "s3" => ("s3", object(get(&storage, "S3").cloned())),
        other => {
            let message =
                format!("expected ipfs, urlDownload, inline, localDirectory or s3, found {other:?}");
            errors.push(FieldError { path: format!("{path}.StorageSource"), message });
            return Value::Null;
        }
    };
    json!({
        "Source": {"Type": kind, "Params": params},
        "Alias": get(&storage, "Name").cloned().unwrap_or_else(|| json!("")),
        "Target": get(&storage, "Path").cloned().unwrap_or_else(|| json!("")),
    })
}

fn lower_type(config: Value) -> Value {
    let mut config = object(Some(config));
    let kind = take(&mut config, "Type").unwrap_or_default();
    config.insert("Type".into(), json!(kind.as_str().unwrap_or_default().to_lowercase()));
    Value::Object(config)
}

fn object(value: Option<Value>) -> Fields {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Fields::new(),
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn get<'f>(fields: &'f Fields, name: &str) -> Option<&'f Value> {
    find(fields, name).and_then(|name| fields.get(&name)).filter(|value| !value.is_null())
}

fn take(fields: &mut Fields, name: &str) -> Option<Value> {
    super::remove(fields, name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(spec: Value) -> Result<Value, Vec<FieldError>> {
        rewritten(object(Some(json!({"APIVersion": "V1beta1", "Spec": spec})))).map(Value::Object)
    }

    #[test]
    fn a_docker_job_of_old() {
        let job = rewrite(json!({
            "Engine": "Docker", "Verifier": "Noop", "Publisher": "Estuary",
            "Docker": {"Image": "ubuntu", "Entrypoint": ["echo", "hi"]},
            "Resources": {"CPU": "1"}, "Timeout": 1800.4, "Annotations": ["nightly"],
            "inputs": [{"StorageSource": "URLDownload", "URL": "http://h/a", "path": "/inputs"}],
            "outputs": [{"StorageSource": "IPFS", "Name": "outputs", "path": "/outputs"}],
            "Deal": {"Concurrency": 3}
        }))
        .unwrap();
        let task = &job["Tasks"][0];
        assert_eq!(
            (&job["Type"], &job["Count"], &job["Labels"]),
            (&json!("batch"), &json!(3), &json!({"nightly": ""}))
        );
        assert_eq!(task["Engine"]["Params"]["Image"], "ubuntu");
        assert_eq!(
            task["InputSources"][0]["Source"],
            json!({"Type": "urlDownload", "Params": {"URL": "http://h/a"}})
        );
        assert_eq!(task["ResultPaths"], json!([{"Name": "outputs", "Path": "/outputs"}]));
        assert_eq!(
            (&task["Publisher"]["Type"], &task["Timeouts"]["ExecutionTimeout"]),
            (&json!("local"), &json!(1800))
        );
        super::super::check(&job).unwrap();
    }

    #[test]
    fn a_wasm_job_of_old_may_run_everywhere() {
        let module = json!({"StorageSource": "inline", "URL": "data:,x", "path": "/m.wasm"});
        let job = rewrite(json!({
            "EngineSpec": null, "Engine": "wasm", "Wasm": {"EntryModule": module, "EntryPoint": "_start"},
            "Deal": {"TargetingMode": true}
        }))
        .unwrap();
        assert_eq!(job["Type"], "ops");
        assert_eq!(job["Tasks"][0]["Engine"]["Params"]["EntryModule"]["Target"], "/m.wasm");
        super::super::check(&job).unwrap();
    }

    #[test]
    fn what_cannot_be_rewritten_is_named() {
        let errors =
            rewrite(json!({"Engine": "Language", "Dockr": {}, "inputs": [{"StorageSource": "Filecoin"}]}));
        let errors: Vec<String> = errors.unwrap_err().iter().map(FieldError::to_string).collect();
        assert_eq!(errors[0], "Spec.Dockr: unknown field, did you mean Docker?");
        assert!(errors[1].starts_with("Spec.inputs[0].StorageSource: expected ipfs"));
        assert!(errors[2].starts_with("Spec.Engine: expected docker or wasm, found \"language\""));
    }
}
