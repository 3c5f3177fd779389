//! A container as a task, for every command that runs one.

use std::collections::BTreeMap;

use bacalhau_protocol::api::SpecConfig;
use serde_json::{Map, Value, json};

use crate::flags::input::Input;
use crate::flags::run::RunFlags;

/// What runs. What is empty is left to the image.
#[derive(Clone, Debug, Default)]
pub struct Container {
    /// With its tag or digest.
    pub image: String,
    /// Replaces the image's.
    pub entrypoint: Vec<String>,
    /// Behind the entrypoint.
    pub parameters: Vec<String>,
    /// Where it works.
    pub workdir: String,
}

impl Container {
    /// The job of the flags with this container as its task. `inputs` stand before those of the flags.
    pub fn job(&self, run: &RunFlags, inputs: Vec<Input>) -> anyhow::Result<Value> {
        let mut task = run.task.task(SpecConfig::default(), inputs).map_err(anyhow::Error::msg)?;
        let (env, variables) = split(std::mem::take(&mut task.env));
        task.env = env;
        let params = [
            ("Image", json!(self.image)),
            ("Entrypoint", json!(self.entrypoint)),
            ("Parameters", json!(self.parameters)),
            ("EnvironmentVariables", json!(variables)),
            ("WorkingDirectory", json!(self.workdir)),
        ];
        let params = params.into_iter().filter(|(_, value)| said(value));
        let params: Map<_, _> = params.map(|(name, value)| (name.to_owned(), value)).collect();
        task.engine = SpecConfig { kind: "docker".into(), params: Some(params) };
        run.job(&task)
    }
}

fn said(value: &Value) -> bool {
    value.as_array().map_or_else(|| value != "", |list| !list.is_empty())
}

/// Variables of any task, and those that only a container may have: with lower-case names, or empty.
fn split(variables: BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<String>) {
    let (env, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
        variables.into_iter().partition(|(name, value)| name.to_uppercase() == *name && !value.is_empty());
    (env, own.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}
