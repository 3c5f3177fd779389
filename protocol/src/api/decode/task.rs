//! A task: what runs, on what data, and where results go.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{TypeDefaults, environment, legacy_wasm, limits, network};
use crate::model::job::MAX_PARAMS_BYTES;
use crate::model::{InputSource, JobType, Network, Resources, ResultPath, SpecConfig, Task, Timeouts};
use crate::spec::docker::DockerSpec;
use crate::spec::inline::{self, MAX_INLINE_BYTES};
use crate::spec::wasm::WasmSpec;
use crate::spec::{Fields, Report, check_source, closest};

/// Types that Bacalhau has (semantics.md parts 5 and 6).
const ENGINES: [&str; 3] = ["docker", "wasm", "noop"];
const PUBLISHERS: [&str; 5] = ["local", "s3", "s3managed", "ipfs", "noop"];
const SOURCES: [&str; 9] =
    ["inline", "localDirectory", "local", "s3", "urlDownload", "url", "ipfs", "s3PreSigned", "s3managed"];

/// Stands in for a task that cannot be read.
pub(super) fn empty() -> Task {
    Task {
        name: String::new(),
        engine: SpecConfig::default(),
        publisher: SpecConfig::default(),
        env: Default::default(),
        meta: Default::default(),
        inputs: Vec::new(),
        results: Vec::new(),
        resources_text: Default::default(),
        resources: Resources::default(),
        network: Network::default(),
        timeouts: Timeouts::default(),
    }
}

pub(super) fn read(
    fields: &mut Fields<'_>,
    job_type: JobType,
    defaults: &TypeDefaults,
    report: &mut Report,
) -> Task {
    let name = fields.text("Name", report);
    check_name(fields, &name, report);
    let env = environment::read(fields, report);
    let inputs = inputs(fields, report);
    let (resources_text, resources) = limits::resources(fields, defaults, report);
    let mut task = Task {
        name,
        env,
        inputs,
        resources_text,
        resources,
        meta: fields.text_map("Meta", report),
        results: results(fields, report),
        network: network::read(fields, report),
        timeouts: limits::timeouts(fields, job_type, defaults, report),
        ..empty()
    };
    read_engine(fields, &mut task, report);
    check_inputs(fields, &task.inputs, report);
    task.publisher = publisher(fields, job_type, defaults, report);
    check_places(fields, &task, report);
    if task.publisher.is_none() && !task.results.is_empty() {
        let message = "publisher must be set if result paths are set (for example Type: local)";
        report.error(fields.at("Publisher"), message);
    }
    fields.report_unknown(report);
    task
}

fn check_name(fields: &Fields<'_>, name: &str, report: &mut Report) {
    if name.trim().is_empty() {
        report.error(fields.at("Name"), "missing task name (expected text, e.g. \"main\")");
    } else if name.contains('\0') {
        report.error(fields.at("Name"), "task name cannot contain null characters");
    }
}

/// Reads the engine; an old WASM specification adds input sources and environment to the task.
fn read_engine(fields: &mut Fields<'_>, task: &mut Task, report: &mut Report) {
    let expected = "(expected text, e.g. \"wasm\")";
    let Some(mut engine) = fields.object("Engine", report) else {
        if fields.value("Engine").is_none() {
            report.error(fields.at("Engine"), "invalid engine: nil spec config (expected Type and Params)");
        }
        return;
    };
    let kind = engine.text("Type", report);
    if engine.value("Type").is_none()
        || kind.trim().is_empty() && engine.value("Type").is_some_and(Value::is_string)
    {
        report.error(engine.at("Type"), format!("invalid engine: missing spec type {expected}"));
    }
    check_kind(&engine, &kind, "engine", &ENGINES, report);
    let mut params = params(&mut engine, report);
    if kind.eq_ignore_ascii_case("wasm") {
        let path = engine.at("Params");
        legacy_wasm::rewrite(&path, params.get_or_insert_default(), task, report);
        check_wasm(&path, params.as_ref(), &task.inputs, report);
    } else if kind.eq_ignore_ascii_case("docker") {
        check_docker(&engine.at("Params"), params.as_ref(), report);
    }
    task.engine = config(&engine, kind.trim(), params, report);
    engine.report_unknown(report);
}

fn check_docker(path: &str, params: Option<&Map<String, Value>>, report: &mut Report) {
    let value = Value::Object(params.cloned().unwrap_or_default());
    let Some(mut fields) = Fields::new(path, &value, report) else { return };
    DockerSpec::from_fields(&mut fields, report);
    fields.report_unknown(report);
}

fn check_wasm(path: &str, params: Option<&Map<String, Value>>, inputs: &[InputSource], report: &mut Report) {
    let value = params.cloned().map_or(Value::Null, Value::Object);
    let Some(mut fields) = Fields::new(path, &value, report) else { return };
    let spec = WasmSpec::from_fields(&mut fields, report);
    spec.check_modules(path, inputs, report);
    fields.report_unknown(report);
}

/// Results of service and daemon jobs have no default publisher: they never end.
fn publisher(
    fields: &mut Fields<'_>,
    job_type: JobType,
    defaults: &TypeDefaults,
    report: &mut Report,
) -> SpecConfig {
    let written = fields.object("Publisher", report).map_or_else(SpecConfig::default, |mut publisher| {
        let (kind, params) = (publisher.text("Type", report), params(&mut publisher, report));
        check_kind(&publisher, &kind, "publisher", &PUBLISHERS, report);
        publisher.report_unknown(report);
        config(&publisher, kind.trim(), params, report)
    });
    if written.kind.is_empty() && !job_type.is_long_running() { defaults.publisher.clone() } else { written }
}

fn inputs(fields: &mut Fields<'_>, report: &mut Report) -> Vec<InputSource> {
    let items = fields.items("InputSources", report);
    items.into_iter().filter_map(|(path, value)| input_source(path, value, "", report)).collect()
}

/// Reads an input source; `target` is where it goes when it does not say.
pub(super) fn input_source(
    path: String,
    value: &Value,
    target: &str,
    report: &mut Report,
) -> Option<InputSource> {
    if value.is_null() {
        report.error(&path, "expected an input source, found null");
    }
    let mut fields = Fields::new(path, value, report)?;
    let source = source(&mut fields, report);
    let alias = fields.text("Alias", report);
    let mut written = fields.text("Target", report);
    if written.trim().is_empty() {
        written = target.to_owned();
    }
    if written.is_empty() {
        let message = "invalid input sources: input source is missing a target (expected a path in the task)";
        report.error(fields.at("Target"), message);
    }
    check_descent(fields.at("Target"), &written, report);
    fields.report_unknown(report);
    Some(InputSource { source, alias, target: written })
}

fn source(fields: &mut Fields<'_>, report: &mut Report) -> SpecConfig {
    let missing = "invalid input source: missing spec type (expected text, e.g. \"localDirectory\")";
    let Some(mut source) = fields.object("Source", report) else {
        if fields.value("Source").is_none() {
            report.error(fields.at("Source.Type"), missing);
        }
        return SpecConfig::default();
    };
    let kind = source.text("Type", report);
    if kind.trim().is_empty() {
        report.error(source.at("Type"), missing);
    }
    check_kind(&source, &kind, "input source", &SOURCES, report);
    let params = params(&mut source, report);
    let value = params.clone().map_or_else(|| Value::Object(Map::new()), Value::Object);
    if let Some(mut params) = Fields::new(source.at("Params"), &value, report) {
        check_source(kind.trim(), &mut params, report);
    }
    source.report_unknown(report);
    config(&source, kind.trim(), params, report)
}

/// Nodes may offer what nobody here has heard of, but most such names are slips.
fn check_kind(fields: &Fields<'_>, kind: &str, what: &str, known: &[&str], report: &mut Report) {
    let kind = kind.trim();
    if kind.is_empty() || known.iter().any(|name| name.eq_ignore_ascii_case(kind)) {
        return;
    }
    let at = fields.at("Type");
    let meant = match closest(kind, known) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known are {}.", known.join(", ")),
    };
    report.warn(format!("{at}: unknown {what} {kind:?}, {meant} The job waits for a node that offers it"));
}

fn params(fields: &mut Fields<'_>, report: &mut Report) -> Option<Map<String, Value>> {
    fields.object("Params", report).map(|params| params.raw().clone())
}

/// Parameters are kept as text; large inline data is taken out before the record is written and does not count.
fn config(
    fields: &Fields<'_>,
    kind: &str,
    params: Option<Map<String, Value>>,
    report: &mut Report,
) -> SpecConfig {
    let params = params.map_or_else(String::new, |params| Value::Object(params).to_string());
    let config = SpecConfig { kind: kind.to_owned(), params };
    let size = config.params.len();
    let becomes_blob = || {
        config.is("inline") && size > MAX_INLINE_BYTES && {
            inline::take_large_data(&mut config.clone()).is_some()
        }
    };
    if size > MAX_PARAMS_BYTES && !becomes_blob() {
        report.error(
            fields.at("Params"),
            format!("{size} bytes of parameters, the limit is {MAX_PARAMS_BYTES}"),
        );
    }
    config
}

fn check_inputs(fields: &Fields<'_>, inputs: &[InputSource], report: &mut Report) {
    let (mut aliases, mut targets) = (BTreeSet::new(), BTreeSet::new());
    let path = fields.at("InputSources");
    for input in inputs {
        if !input.alias.is_empty() && !aliases.insert(&input.alias) {
            report.error(&path, format!("input source with alias '{}' already exists", input.alias));
        }
        if !input.target.is_empty() && !targets.insert(&input.target) {
            report.error(&path, format!("input source with target '{}' already exists", input.target));
        }
    }
}

/// What comes in and what goes out lie apart.
fn check_places(fields: &Fields<'_>, task: &Task, report: &mut Report) {
    for (index, result) in task.results.iter().enumerate() {
        if task.inputs.iter().any(|input| input.target == result.path) {
            let at = fields.at(&format!("ResultPaths[{index}].Path"));
            report.error(at, format!("an input source has the target {:?}, too", result.path));
        }
    }
}

fn results(fields: &mut Fields<'_>, report: &mut Report) -> Vec<ResultPath> {
    let items = fields.items("ResultPaths", report).into_iter();
    let results: Vec<_> = items.filter_map(|(path, value)| result_path(path, value, report)).collect();
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    let at = fields.at("ResultPaths");
    for result in &results {
        if !names.insert(&result.name) {
            report.error(&at, format!("result path with name '{}' already exists", result.name));
        }
        if !paths.insert(&result.path) {
            report.error(&at, format!("result path '{}' already exists", result.path));
        }
    }
    results
}

fn result_path(path: String, value: &Value, report: &mut Report) -> Option<ResultPath> {
    if value.is_null() {
        report.error(&path, "invalid output: missing path (expected Name and Path)");
    }
    let mut fields = Fields::new(path, value, report)?;
    let result = ResultPath { name: fields.text("Name", report), path: fields.text("Path", report) };
    fields.report_unknown(report);
    if result.path.trim().is_empty() {
        report
            .error(fields.at("Path"), "invalid output: missing path (expected an absolute path in the task)");
    } else if !result.path.starts_with('/') {
        report.error(
            fields.at("Path"),
            format!("invalid output: result path `{}` must be absolute", result.path),
        );
    }
    check_descent(fields.at("Path"), &result.path, report);
    check_result_name(&fields, &result.name, report);
    Some(result)
}

/// A path in the task that climbs has no meaning that a person could have wanted.
fn check_descent(at: String, path: &str, report: &mut Report) {
    if path.split('/').any(|part| part == "..") {
        report.error(at, format!("{path:?} leads upwards; expected a path in the task without \"..\""));
    }
}

/// The name becomes a directory beside these files.
fn check_result_name(fields: &Fields<'_>, name: &str, report: &mut Report) {
    let at = fields.at("Name");
    if name.trim().is_empty() {
        report.error(at, "invalid output: missing name (expected the directory's name in the results)");
    } else if name.contains(['/', '\0']) || matches!(name, "." | "..") {
        report.error(at, format!("invalid output: {name:?} is no directory name"));
    } else if ["stdout", "stderr", "exitCode"].iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
        report.error(at, format!("invalid output: {name:?} is the name of a file that results always have"));
    }
}
