//! Old WASM specifications (semantics.md 5.9): modules as input sources inside the engine's parameters, and an
//! environment of its own. Rewritten into the newer form: modules become inputs of the task, named by their targets.

use serde_json::{Map, Value};

use super::{environment, task};
use crate::model::Task;
use crate::spec::wasm::{ENTRY_TARGET, import_target};
use crate::spec::{Fields, Report};

/// Moves modules and environment from `params` to the task; the newer form is left alone.
pub(super) fn rewrite(path: &str, params: &mut Map<String, Value>, task: &mut Task, report: &mut Report) {
    if let Some(entry) = member(params, "EntryModule").filter(|entry| entry.is_object()) {
        replace(entry, format!("{path}.EntryModule"), ENTRY_TARGET, task, report);
    }
    if let Some(Value::Array(imports)) = member(params, "ImportModules") {
        for (index, import) in imports.iter_mut().enumerate().filter(|(_, import)| import.is_object()) {
            replace(import, format!("{path}.ImportModules[{index}]"), &import_target(index), task, report);
        }
    }
    move_environment(path, params, task, report);
}

/// Puts the target in the place of the input source.
fn replace(module: &mut Value, path: String, target: &str, task: &mut Task, report: &mut Report) {
    if let Some(input) = task::input_source(path, module, target, report) {
        *module = input.target.clone().into();
        task.inputs.push(input);
    }
}

fn move_environment(path: &str, params: &mut Map<String, Value>, task: &mut Task, report: &mut Report) {
    let variables = Value::Object(std::mem::take(params));
    let Some(mut fields) = Fields::new(path, &variables, report) else { return };
    for (name, value) in fields.text_map("EnvironmentVariables", report) {
        environment::check_reserved(&fields.at("EnvironmentVariables"), &name, report);
        task.env.entry(name).or_insert(value);
    }
    params.extend(fields.raw().clone());
    params.retain(|key, _| !key.eq_ignore_ascii_case("EnvironmentVariables"));
}

fn member<'p>(params: &'p mut Map<String, Value>, name: &str) -> Option<&'p mut Value> {
    params.iter_mut().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
