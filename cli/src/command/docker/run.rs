//! `bacalhau docker run`

use std::collections::BTreeMap;
use std::process::ExitCode;

use bacalhau_protocol::api::SpecConfig;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::app::Context;
use crate::flags::environment;
use crate::flags::run::RunFlags;

/// Runs a container.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// The image, with its tag or digest
    #[arg(value_name = "IMAGE[:TAG|@DIGEST]")]
    image: String,
    /// The command and its arguments [default: the image's own]; those that look like flags stand behind --
    #[arg(value_name = "COMMAND")]
    parameters: Vec<String>,
    /// Directory of the container to work in [default: the image's own]
    #[arg(short, long, value_name = "PATH")]
    workdir: Option<String>,
    /// Replaces the image's entrypoint; may be repeated, or hold several words separated by commas
    #[arg(long, value_name = "WORDS")]
    entrypoint: Vec<String>,
    #[command(flatten)]
    run: RunFlags,
}

const EXAMPLES: &str = "\
Examples:
  bacalhau docker run ubuntu:24.04 echo hello
  bacalhau docker run -i file:///var/log:/logs ubuntu:24.04 -- grep -rc error /logs
  bacalhau docker run --dry-run ubuntu:24.04 echo hello > job.yaml";

impl Run {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let job = self.job()?;
        Box::pin(self.run.run(context, &job)).await
    }

    fn job(&self) -> anyhow::Result<Value> {
        let entrypoint = environment::list(&self.entrypoint).map_err(anyhow::Error::msg)?;
        let mut task = self.run.task.task(SpecConfig::default(), Vec::new()).map_err(anyhow::Error::msg)?;
        let (env, variables) = split(std::mem::take(&mut task.env));
        task.env = env;
        let mut params = Map::new();
        params.insert("Image".into(), json!(self.image));
        let parts = [
            ("Entrypoint", json!(entrypoint)),
            ("Parameters", json!(self.parameters)),
            ("EnvironmentVariables", json!(variables)),
            ("WorkingDirectory", json!(self.workdir.as_deref().unwrap_or_default())),
        ];
        params.extend(
            parts.into_iter().map(|(name, value)| (name.to_owned(), value)).filter(|(_, value)| said(value)),
        );
        task.engine = SpecConfig { kind: "docker".into(), params: Some(params) };
        self.run.job(&task)
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Wrapper {
        #[command(flatten)]
        run: Run,
    }

    fn job(arguments: &[&str]) -> anyhow::Result<Value> {
        Wrapper::try_parse_from(["run"].iter().chain(arguments)).unwrap().run.job()
    }

    #[test]
    fn flags_become_a_job() {
        let job = job(&[
            "--cpu",
            "500m",
            "--entrypoint",
            "sh,-c",
            "-w",
            "/srv",
            "-e",
            "A=1",
            "-e",
            "http_proxy=",
            "--count",
            "3",
            "--timeout",
            "60",
            "-s",
            "zone=a",
            "-l",
            "env=prod",
            "ubuntu:24.04",
            "echo",
            "--",
            "-n",
            "hi",
        ])
        .unwrap();
        let task = &job["Tasks"][0];
        let expected = json!({
            "Image": "ubuntu:24.04", "Entrypoint": ["sh", "-c"], "Parameters": ["echo", "-n", "hi"],
            "EnvironmentVariables": ["http_proxy="], "WorkingDirectory": "/srv"
        });
        assert_eq!(task["Engine"], json!({"Type": "docker", "Params": expected}));
        assert_eq!(task["Env"], json!({"A": "1"}));
        assert_eq!(task["Resources"]["CPU"], "500m");
        assert_eq!(task["Timeouts"]["ExecutionTimeout"], 60);
        assert_eq!((&job["Type"], &job["Count"]), (&json!("batch"), &json!(3)));
        assert_eq!(job["Constraints"][0]["Key"], "zone");
        assert_eq!(job["Labels"], json!({"env": "prod"}));
    }

    #[test]
    fn what_is_not_said_is_left_to_the_image() {
        let job = job(&["ubuntu"]).unwrap();
        assert_eq!(job["Tasks"][0]["Engine"]["Params"], json!({"Image": "ubuntu"}));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |arguments: &[&str]| job(arguments).unwrap_err().to_string();
        assert!(
            error(&["-w", "srv", "ubuntu"])
                .contains("'WorkingDirectory' (\"srv\") must contain absolute path")
        );
        assert!(error(&["Ubuntu"]).contains("must be lowercase"));
        assert!(error(&["-e", "BACALHAU_X=1", "ubuntu"]).contains("cannot start with BACALHAU_"));
        assert!(error(&["--entrypoint", "\"sh", "ubuntu"]).contains("not closed"));
    }
}
