//! `bacalhau exec`: code or a query for a program that is known to have an image, as Bacalhau had it until 1.5.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bacalhau_protocol::spec::closest;
use clap::Args;
use serde_json::Value;

use crate::app::Context;
use crate::command::docker::Container;
use crate::error::Advised;
use crate::flags::input::{self, Input};
use crate::flags::run::RunFlags;

/// Runs Python code, or a DuckDB query, in a container made for it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Exec {
    /// What runs: python or duckdb
    #[arg(value_name = "JOBTYPE")]
    job_type: String,
    /// What it is given: a script, or a query; those that look like flags stand behind --
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
    /// A file or directory of this machine that the job takes along, below /code [default: the script, if it is a file]
    #[arg(long, value_name = "PATH")]
    code: Option<PathBuf>,
    /// Version of what runs [default: 3.11 of python, the latest of duckdb]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Another image that has it on its path
    #[arg(long, value_name = "IMAGE[:TAG|@DIGEST]", conflicts_with = "version")]
    image: Option<String>,
    #[command(flatten)]
    run: RunFlags,
}

const EXAMPLES: &str = "\
Examples:
  bacalhau exec python app.py
  bacalhau exec --code project --version=3.12 python main.py -- --top 3
  bacalhau exec -i https://example.org/d.csv,dst=/inputs/d.csv duckdb \"SELECT count(*) FROM '/inputs/d.csv'\"";

/// Where code stands inside the container, and where it runs.
const CODE: &str = "/code";
const KINDS: [&str; 2] = ["python", "duckdb"];

impl Exec {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let job = self.job()?;
        Box::pin(self.run.run(context, &job)).await
    }

    fn job(&self) -> anyhow::Result<Value> {
        let container = match self.job_type.as_str() {
            "python" => self.python(),
            "duckdb" => self.duckdb(),
            other => return Err(unsupported(other).into()),
        };
        let code = self.code()?;
        let workdir = if code.is_some() { CODE } else { "" };
        Container { workdir: workdir.to_owned(), ..container }.job(&self.run, code.into_iter().collect())
    }

    fn python(&self) -> Container {
        let mut parameters = self.arguments.clone();
        if let Some(script) = parameters.first_mut()
            && self.code.is_none()
            && let Some(name) = file_name(script)
        {
            *script = name;
        }
        let image = format!("python:{}-slim", self.version.as_deref().unwrap_or("3.11"));
        self.container(image, parameters)
    }

    /// A query alone is one to answer; flags of the program itself are left as they are.
    fn duckdb(&self) -> Container {
        let is_query = self.arguments.first().is_some_and(|first| !first.starts_with('-'));
        let command = is_query.then(|| "-c".to_owned());
        let image = match &self.version {
            Some(version) => format!("duckdb/duckdb:{version}"),
            None => "duckdb/duckdb".to_owned(),
        };
        self.container(image, command.into_iter().chain(self.arguments.clone()).collect())
    }

    fn container(&self, image: String, parameters: Vec<String>) -> Container {
        let image = self.image.clone().unwrap_or(image);
        Container { image, entrypoint: vec![self.job_type.clone()], parameters, ..Container::default() }
    }

    /// What comes along: what was named, else the script if it is a file of this machine.
    fn code(&self) -> anyhow::Result<Option<Input>> {
        let script = self.arguments.first().filter(|_| self.job_type == "python").map(Path::new);
        let path = match (&self.code, script) {
            (Some(code), _) => code,
            (None, Some(script)) if script.is_file() => script,
            (None, Some(script)) if is_relative_script(script) => return Err(missing(script).into()),
            (None, None) if self.arguments.is_empty() => return Err(nothing(&self.job_type).into()),
            _ => return Ok(None),
        };
        let target = match path.file_name() {
            Some(name) if !path.is_dir() => format!("{CODE}/{}", name.to_string_lossy()),
            _ => CODE.to_owned(),
        };
        let mut code = input::embedded(path, &target).context("sending code along")?;
        code.alias = "code".to_owned();
        Ok(Some(code))
    }
}

/// Name of a file of this machine.
fn file_name(path: &str) -> Option<String> {
    let path = Path::new(path);
    path.is_file().then(|| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// No image has it, so it was meant to be here.
fn is_relative_script(path: &Path) -> bool {
    path.is_relative() && path.extension().is_some_and(|extension| extension == "py")
}

fn missing(script: &Path) -> Advised {
    let message = format!("there is no file {script:?} on this machine to run");
    Advised::new(message, "name one that is here, or the directory it is in with --code")
}

fn nothing(job_type: &str) -> Advised {
    let example = match job_type {
        "python" => "a script, as in `bacalhau exec python app.py`",
        _ => "a query, as in `bacalhau exec duckdb \"SELECT 42\"`",
    };
    Advised::new(format!("there is nothing for {job_type} to run"), format!("give it {example}"))
}

fn unsupported(job_type: &str) -> Advised {
    let hint = match closest(job_type, &KINDS) {
        Some(kind) => format!("did you mean {kind}?"),
        None => format!("supported types: {}; `bacalhau docker run` runs any image", KINDS.join(", ")),
    };
    Advised::new(format!("the job type '{job_type}' is not supported"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parsed::parsed;
    use serde_json::json;

    fn task(arguments: &[&str]) -> anyhow::Result<Value> {
        Ok(parsed::<Exec>(arguments)?.job()?["Tasks"][0].take())
    }

    #[test]
    fn a_script_comes_along_and_runs_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("app.py");
        std::fs::write(&script, "print(1)").unwrap();
        let task = task(&["python", script.to_str().unwrap(), "--", "--top", "3"]).unwrap();
        let expected = json!({"Image": "python:3.11-slim", "Entrypoint": ["python"],
            "Parameters": ["app.py", "--top", "3"], "WorkingDirectory": "/code"});
        assert_eq!(task["Engine"], json!({"Type": "docker", "Params": expected}));
        let code = &task["InputSources"][0];
        assert_eq!((&code["Target"], &code["Alias"]), (&json!("/code/app.py"), &json!("code")));
        assert!(code["Source"]["Params"]["URL"].as_str().unwrap().ends_with("cHJpbnQoMSk="));
    }

    #[test]
    fn a_directory_of_code_is_the_place_to_work_in() {
        let folder = tempfile::tempdir().unwrap();
        let code = folder.path().to_str().unwrap();
        let task = task(&["--code", code, "--version=3.12", "python", "main.py"]).unwrap();
        let params = &task["Engine"]["Params"];
        assert_eq!(
            (&params["Image"], &params["Parameters"]),
            (&json!("python:3.12-slim"), &json!(["main.py"]))
        );
        assert_eq!(task["InputSources"][0]["Target"], "/code");
    }

    #[test]
    fn a_query_is_answered_and_flags_of_the_program_are_its_own() {
        let params = |arguments: &[&str]| task(arguments).unwrap()["Engine"]["Params"].take();
        let asked = params(&["duckdb", "SELECT 42"]);
        let expected =
            json!({"Image": "duckdb/duckdb", "Entrypoint": ["duckdb"], "Parameters": ["-c", "SELECT 42"]});
        assert_eq!(asked, expected);
        let own = params(&["--image", "duckdb:local", "duckdb", "--", "-csv", "-c", "SELECT 42"]);
        assert_eq!(
            (&own["Image"], &own["Parameters"]),
            (&json!("duckdb:local"), &json!(["-csv", "-c", "SELECT 42"]))
        );
    }

    #[test]
    fn mistakes_are_told() {
        let error = |arguments: &[&str]| crate::error::report(&task(arguments).unwrap_err(), false);
        assert!(error(&["pyton", "x"]).contains("'pyton' is not supported\nHint:  did you mean python?"));
        assert!(error(&["perl", "x"]).contains("supported types: python, duckdb"));
        assert!(error(&["python", "no-such.py"]).contains("no file \"no-such.py\""));
        assert!(error(&["python"]).contains("nothing for python to run"));
        assert!(error(&["--code", "/no/such", "python", "a"]).contains("/no/such"));
    }
}
