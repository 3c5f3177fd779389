//! Engine `wasm`: which module runs and how it is called.

use super::{Fields, InvalidParams, Report, read};
use crate::model::{InputSource, SpecConfig};

/// Called when a task names no function.
pub const DEFAULT_ENTRYPOINT: &str = "_start";
/// Where the entry module of an old specification is put.
pub const ENTRY_TARGET: &str = "/wasm/entry.wasm";

/// Parameters of a WASM task. Modules are named by the alias or the target of an input source, or by a path inside one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasmSpec {
    /// The module that runs.
    pub entry_module: String,
    /// Function to call: no parameters, no results.
    pub entrypoint: String,
    /// Arguments from index 1 on.
    pub parameters: Vec<String>,
    /// Modules made available to the entry module.
    pub import_modules: Vec<String>,
}

/// Where an import of an old specification is put.
pub fn import_target(index: usize) -> String {
    format!("/wasm/imports/module_{index}.wasm")
}

impl WasmSpec {
    /// Reads the parameters of a job that was accepted; old specifications were rewritten by then.
    pub fn parse(config: &SpecConfig) -> Result<Self, InvalidParams> {
        read(config, Self::from_fields)
    }

    /// Reports modules that no input source brings.
    pub(crate) fn check_modules(&self, path: &str, inputs: &[InputSource], report: &mut Report) {
        let missing = |name: &str| !name.is_empty() && !inputs.iter().any(|input| brings(input, name));
        let message = |name: &str| {
            format!(
                "no input source has the alias or target {name:?}; add one, or give the module as an input source"
            )
        };
        if missing(&self.entry_module) {
            report.error(format!("{path}.EntryModule"), message(&self.entry_module));
        }
        for (index, name) in self.import_modules.iter().enumerate().filter(|(_, name)| missing(name)) {
            report.error(format!("{path}.ImportModules[{index}]"), message(name));
        }
    }

    pub(crate) fn from_fields(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let entry_module = fields.text("EntryModule", report);
        if fields.value("EntryModule").is_none_or(|value| value == "") {
            let message = "missing; expected an input source with the module, or the alias or target of one";
            report.error(fields.at("EntryModule"), message);
        }
        let entrypoint = fields.text("Entrypoint", report);
        Self {
            entry_module,
            entrypoint: if entrypoint.is_empty() { DEFAULT_ENTRYPOINT.to_owned() } else { entrypoint },
            parameters: fields.texts("Parameters", report),
            import_modules: fields.texts("ImportModules", report),
        }
    }
}

fn brings(input: &InputSource, module: &str) -> bool {
    let (target, module_path) = (input.target.trim_matches('/'), module.trim_matches('/'));
    let inside =
        module_path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    input.alias == module || target.is_empty() || inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parameters_in_any_case() {
        let params =
            r#"{"entrymodule": "/m.wasm", "EntryPoint": "run", "Parameters": ["a"], "importModules": null}"#;
        let spec = WasmSpec::parse(&SpecConfig { kind: "wasm".into(), params: params.into() }).unwrap();
        let expected = WasmSpec {
            entry_module: "/m.wasm".into(),
            entrypoint: "run".into(),
            parameters: vec!["a".into()],
            import_modules: vec![],
        };
        assert_eq!(spec, expected);
    }

    #[test]
    fn names_what_is_wrong() {
        let params = r#"{"EntryModule": 5, "Parameters": ["a", 2]}"#;
        let error = WasmSpec::parse(&SpecConfig { kind: "wasm".into(), params: params.into() })
            .unwrap_err()
            .to_string();
        assert!(error.contains("Params.EntryModule: expected text, found the number 5"), "{error}");
        assert!(error.contains("Params.Parameters[1]: expected text, found the number 2"), "{error}");
    }

    #[test]
    fn a_module_is_brought_by_alias_target_or_from_inside() {
        let input = |alias: &str, target: &str| InputSource {
            source: SpecConfig::default(),
            alias: alias.into(),
            target: target.into(),
        };
        assert!(brings(&input("lib", "/x"), "lib"));
        assert!(brings(&input("", "/wasm/entry.wasm"), "wasm/entry.wasm"));
        assert!(brings(&input("", "/all/"), "/all/a.wasm"));
        assert!(!brings(&input("", "/all"), "/allies.wasm"));
    }
}
