//! The question as a job: DuckDB on every node that matches, over its own files.

use std::collections::BTreeMap;

use bacalhau_protocol::api::{
    Constraint, InputSource, Network, ResourcesConfig, ResultPath, SpecConfig, Task, Timeouts,
};
use bacalhau_protocol::spec::inline;
use serde_json::{Map, Value, json};

use super::over::{Over, ROOT};
use super::reduce;
use crate::flags::input::Input;
use crate::flags::job::source;
use crate::job_file;

/// Makes tables of log files and writes the answer down; also runs by itself, see examples/duckdb-logs.
pub(super) const LOGS: &str = include_str!("../../../../examples/duckdb-logs/logs.sql");

/// Where scripts and rows stand inside the task.
const SCRIPT: &str = "/query/script.sql";
const ROWS: &str = "/query/answers.jsonl";
/// Where the answer is written inside the task, and how the directory is called in the results.
const OUTPUTS: &str = "/outputs";
pub(super) const OUTPUTS_NAME: &str = "outputs";

/// Everything a question says to the nodes, whatever it asks.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Image that has the DuckDB command line on its path.
    pub(super) image: String,
    /// Which nodes.
    pub(super) constraints: Vec<Constraint>,
    /// Namespace of the job.
    pub(super) namespace: String,
    /// Longest run on a node, seconds.
    pub(super) timeout_secs: u64,
    /// CPU to set aside; empty for the node's default.
    pub(super) cpu: String,
    /// Memory to set aside; empty for the node's default.
    pub(super) memory: String,
}

/// The bounds of the question in time, as they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    /// Empty for none.
    pub(super) start: String,
    /// Empty for none.
    pub(super) end: String,
}

/// The job that asks every matching node about its own files.
pub(super) fn everywhere(
    setting: &Setting,
    query: &str,
    over: &Over,
    span: &Span,
) -> Result<Value, job_file::Error> {
    let env = [
        ("QUERY", query.to_owned()),
        ("OVER", over.globs.join("\n")),
        ("ROOT", ROOT.to_owned()),
        ("START_TIME", span.start.clone()),
        ("END_TIME", span.end.clone()),
        ("ANSWER", OUTPUTS.to_owned()),
    ];
    let mut inputs = vec![inline_file("script", SCRIPT, LOGS.as_bytes())];
    inputs.extend(over.directories.iter().map(|directory| device_directory(directory)));
    job(setting, "ops", env, inputs)
}

/// The job that asks one matching node about rows that it is given.
pub(super) fn once_more(
    setting: &Setting,
    query: &str,
    columns: &[super::merge::Column],
    rows: &[u8],
) -> Result<Value, job_file::Error> {
    let script = reduce::script(columns, ROWS, OUTPUTS);
    let inputs = vec![inline_file("script", SCRIPT, script.as_bytes()), inline_file("answers", ROWS, rows)];
    job(setting, "batch", [("QUERY", query.to_owned())], inputs)
}

fn job<const N: usize>(
    setting: &Setting,
    job_type: &str,
    env: [(&str, String); N],
    input_sources: Vec<InputSource>,
) -> Result<Value, job_file::Error> {
    let task = Task {
        name: "main".into(),
        engine: engine(&setting.image),
        publisher: SpecConfig { kind: "local".into(), params: None },
        // An empty value is refused, and would say as much as none.
        env: env
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
        input_sources,
        result_paths: vec![ResultPath { name: OUTPUTS_NAME.into(), path: OUTPUTS.into() }],
        resources: ResourcesConfig {
            cpu: setting.cpu.clone(),
            memory: setting.memory.clone(),
            ..ResourcesConfig::default()
        },
        network: Network { network_type: "None".into(), ..Network::default() },
        timeouts: Timeouts { execution_timeout: setting.timeout_secs, ..Timeouts::default() },
        ..Task::default()
    };
    let job = json!({
        "Namespace": setting.namespace,
        "Type": job_type,
        "Count": u32::from(job_type == "batch"),
        "Constraints": setting.constraints,
        "Tasks": [task],
    });
    job_file::check(&job)?;
    Ok(job)
}

/// Images differ in what they start; all have `duckdb` on their path.
fn engine(image: &str) -> SpecConfig {
    let params: Map<String, Value> = [
        ("Image", json!(image)),
        ("Entrypoint", json!(["duckdb"])),
        ("Parameters", json!(["-batch", "-f", SCRIPT])),
        // The script keeps notes there.
        ("WorkingDirectory", json!("/tmp")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    SpecConfig { kind: "docker".into(), params: Some(params) }
}

fn inline_file(alias: &str, target: &str, bytes: &[u8]) -> InputSource {
    let config = inline::source("text/plain", bytes.to_vec());
    InputSource { source: SpecConfig::from(&config), alias: alias.to_owned(), target: target.to_owned() }
}

fn device_directory(path: &str) -> InputSource {
    let params = [("SourcePath", json!(path)), ("ReadWrite", json!(false))];
    source(Input {
        kind: "localDirectory",
        params: params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        alias: path.to_owned(),
        target: format!("{ROOT}{path}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> Setting {
        Setting {
            image: "duckdb:local".into(),
            constraints: Vec::new(),
            namespace: "default".into(),
            timeout_secs: 60,
            cpu: String::new(),
            memory: "256Mb".into(),
        }
    }

    #[test]
    fn the_question_is_a_job_that_a_server_takes() {
        let over = Over::parse(&["/var/log/**/*.log".into(), "/srv/app/*.json".into()]).unwrap();
        let span = Span { start: "-5m".into(), end: String::new() };
        let job = everywhere(&setting(), "SELECT 1", &over, &span).unwrap();
        let task = &job["Tasks"][0];
        assert_eq!((&job["Type"], &job["Count"]), (&json!("ops"), &json!(0)));
        assert_eq!(task["Env"]["OVER"], "/host/var/log/**/*.log\n/host/srv/app/*.json");
        assert_eq!(task["Env"]["START_TIME"], "-5m");
        assert!(task["Env"].get("END_TIME").is_none());
        let targets: Vec<_> =
            task["InputSources"].as_array().unwrap().iter().map(|input| input["Target"].clone()).collect();
        assert_eq!(targets, [SCRIPT, "/host/srv/app", "/host/var/log"]);
        assert_eq!(task["InputSources"][1]["Source"]["Params"]["ReadWrite"], false);
        assert_eq!(task["Timeouts"]["ExecutionTimeout"], 60);
    }

    #[test]
    fn rows_travel_with_the_second_question() {
        let columns = super::super::merge::columns([]);
        let job = once_more(&setting(), "FROM answers", &columns, b"{}\n").unwrap();
        assert_eq!((&job["Type"], &job["Count"]), (&json!("batch"), &json!(1)));
        assert_eq!(job["Tasks"][0]["InputSources"][1]["Target"], ROWS);
    }

    #[test]
    fn a_wrong_image_is_told_before_anything_is_sent() {
        let over = Over::parse(&["/var/log/**".into()]).unwrap();
        let wrong = Setting { image: "no image".into(), ..setting() };
        let error = everywhere(&wrong, "SELECT 1", &over, &Span::default()).unwrap_err().to_string();
        assert!(error.contains("Image"), "{error}");
    }
}
