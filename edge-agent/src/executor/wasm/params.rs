//! The engine parameters of a WASM task.

use serde::Deserialize;

use super::error::Error;

/// What a task says about its module. Modules are named by the alias or the target path of an input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Params {
    pub(super) entry_module: String,
    #[serde(default)]
    pub(super) import_modules: Vec<String>,
    #[serde(default)]
    pub(super) entrypoint: String,
    #[serde(default)]
    pub(super) parameters: Vec<String>,
}

impl Params {
    /// Reads the JSON object of the task.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut params: Self = serde_json::from_str(text).map_err(Error::Params)?;
        if params.entrypoint.is_empty() {
            params.entrypoint = "_start".to_owned();
        }
        Ok(params)
    }
}
