//! `bacalhau docker run`

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::Container;
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
        let container = Container {
            image: self.image.clone(),
            entrypoint: environment::list("--entrypoint", &self.entrypoint).map_err(anyhow::Error::msg)?,
            parameters: self.parameters.clone(),
            workdir: self.workdir.clone().unwrap_or_default(),
        };
        container.job(&self.run, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parsed::parsed;
    use serde_json::json;

    fn job(arguments: &[&str]) -> anyhow::Result<Value> {
        parsed::<Run>(arguments).unwrap().job()
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
