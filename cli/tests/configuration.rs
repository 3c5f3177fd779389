//! Configuration as the program itself takes it: what wins, what `config set` does to the next start, TLS, templates.

#![expect(clippy::unwrap_used, reason = "a test that cannot start its programs has to fail")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bacalhau");

fn program(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap()).current_dir(home);
    command
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    text(&output).0
}

fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
    text(&output).1
}

/// Value and source of the API's port.
fn port(mut command: Command) -> (i64, String) {
    command.args(["config", "list", "--output", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&said(command)).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["Key"] == "API.Port").unwrap();
    (row["Value"].as_i64().unwrap(), row["Source"].as_str().unwrap().to_owned())
}

/// A node in the foreground that ends with this value.
struct Serving {
    child: Child,
    exports: Vec<(String, String)>,
}

impl Serving {
    /// Starts one, and reads what clients are to export: as many lines as there are `variables`.
    fn start(home: &Path, arguments: &[&str], variables: usize) -> Self {
        let mut child = program(home)
            .args([
                "serve",
                "--orchestrator",
                "-c",
                "Orchestrator.Port=0",
                "-c",
                "Orchestrator.Host=127.0.0.1",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let exports = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .filter_map(|line| {
                let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .take(variables)
            .collect::<Vec<_>>();
        let mut serving = Self { child, exports };
        if serving.exports.len() < variables {
            serving.child.kill().unwrap();
            let mut log = String::new();
            serving.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("it ended before it was ready: {log}");
        }
        serving
    }

    fn client(&self, home: &Path) -> Command {
        let mut command = program(home);
        command.envs(self.exports.clone());
        command
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_command_line_beats_the_environment_and_that_beats_files_and_those_the_defaults() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert_eq!(port(program(home)), (1234, "default".into()));
    let mut set = program(home);
    set.args(["config", "set", "api.port=1001"]);
    let file = home.join(".bacalhau/config.yaml");
    assert_eq!(said(set), format!("Writing config to {}\n", file.display()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "API:\n  Port: 1001\n");
    assert_eq!(port(program(home)).0, 1001);
    std::fs::write(home.join(".env"), "BACALHAU_API_PORT=1002\n").unwrap();
    assert_eq!(port(program(home)), (1002, "BACALHAU_API_PORT".into()));
    let mut variable = program(home);
    variable.env("BACALHAU_API_PORT", "1003");
    assert_eq!(port(variable).0, 1003);
    let mut flag = program(home);
    flag.args(["--api-port", "1004"]);
    assert_eq!(port(flag), (1004, "--api-port".into()));
    let mut both = program(home);
    both.args(["--api-port", "1004", "-c", "API.Port=1", "-c", "API.Hots=x", "config", "list"]);
    let told = refused(both);
    assert!(
        told.contains("cannot both be provided") && told.contains("Did you mean \"API.Host\"?"),
        "{told}"
    );
}

#[test]
fn a_node_starts_with_what_was_set_and_a_client_with_a_profile_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for setting in ["API.Port=0", "Logging.Level=warn", "NodeName=from-the-file"] {
        let mut set = program(home);
        set.args(["config", "set", setting]);
        said(set);
    }
    let serving = Serving::start(home, &[], 2);
    let mut ask = serving.client(home);
    ask.args(["agent", "node", "--output", "json"]);
    assert!(said(ask).contains("from-the-file"));

    let elsewhere = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{}:{}", serving.exports[0].1, serving.exports[1].1);
    let mut save = program(elsewhere.path());
    save.args(["profile", "save", "gateway", "--endpoint", &endpoint]);
    assert_eq!(said(save), "Profile \"gateway\" saved\n");
    let mut ask = program(elsewhere.path());
    ask.args(["agent", "alive", "--profile", "gateway"]);
    assert!(said(ask).contains("OK"));
    let mut ask = program(elsewhere.path());
    ask.args(["agent", "alive", "--profile", "gatewya"]);
    let told = refused(ask);
    assert!(told.contains("profile \"gatewya\" not found; there are: gateway"), "{told}");
}

#[test]
fn the_api_speaks_tls_to_those_who_trust_its_certificate() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let serving = Serving::start(home, &["-c", "API.Port=0", "-c", "API.TLS.SelfSigned"], 4);
    let mut trusting = serving.client(home);
    trusting.args(["agent", "alive"]);
    assert!(said(trusting).contains("OK"));
    let ask = || {
        let mut command = program(home);
        command.envs(serving.exports[..2].to_vec()).args(["agent", "alive"]);
        command
    };
    let mut certificate = ask();
    certificate.args(["--tls", "--cacert", &serving.exports[3].1]);
    assert!(said(certificate).contains("OK"));
    let mut stranger = ask();
    stranger.arg("--tls");
    let told = refused(stranger);
    assert!(told.contains("is not trusted") && told.contains("API.TLS.CAFile"), "{told}");
    let mut careless = ask();
    careless.args(["--tls", "--insecure"]);
    assert!(said(careless).contains("OK"));
    refused(ask());
}

const TEMPLATE: &str = r#"
Name: {{.name}}
Type: ops
{{- if eq (index . "where") "edge"}}
Labels: {tier: edge}
{{- end}}
Tasks:
  - Name: main
    Engine: {Type: wasm, Params: {EntryModule: {Source: {Type: urlDownload, Params: {URL: "http://h/m"}}}}}
    Env: {GREETING: {{or .greeting "none"}}}
"#;

#[test]
fn a_job_is_filled_in_before_it_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("job.yaml"), TEMPLATE).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = program(home);
        command.env("greeting", "Hi").args(["job", "run", "job.yaml"]).args(arguments);
        command
    };
    let printed = said(run(&["--dry-run", "-V", "name=nightly,where=edge", "-E", "^greeting$"]));
    for part in ["Name: nightly", "tier: edge", "GREETING: Hi"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let told = refused(run(&["--dry-run", "-V", "greeting=x"]));
    assert!(
        told.contains("template: :2:9: executing \"\" at <.name>: map has no entry for key \"name\""),
        "{told}"
    );
    assert!(told.contains("-V name=VALUE"), "{told}");

    let serving = Serving::start(home, &["-c", "API.Port=0"], 2);
    let mut submit = run(&["--id-only", "--wait=false", "-V", "name=nightly", "-V", "greeting=Hello"]);
    submit.envs(serving.exports.clone());
    said(submit);
    let mut describe = serving.client(home);
    describe.args(["job", "describe", "nightly", "--output", "json"]);
    let described = said(describe);
    for part in ["{\"Job\":{", "\"GREETING\":\"Hello\"", "\"Executions\":{", "\"History\":{"] {
        assert!(described.contains(part), "{part}: {described}");
    }
}

#[test]
fn mistakes_of_form_and_of_meaning_are_told_together() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("jobs.db"), "of an older version").unwrap();
    let mut serve = program(home.path());
    serve.args(["serve", "--orchestrator", "--compute", "-c", "API.Port=many"]);
    serve.args(["-c", "API.TLS.CertFile=a.pem", "-c", "Compute.AllowListedLocalPaths=relative"]);
    serve.env("BACALHAU_JOB_STORE_PATH", home.path().join("jobs.db"));
    let told = refused(serve);
    for part in [
        "API.Port: expects an integer",
        "TLS cert specified without corresponding private key",
        "Compute.AllowListedLocalPaths",
        "jobs.db is a file; the store is a directory",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("the configuration has 4 mistakes"), "{told}");
}

#[test]
fn stores_lie_where_their_variables_say() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("fast/jobs");
    let named = format!("Orchestrator.StorePath={}", store.display());
    let node = Serving::start(home.path(), &["-c", "API.Port=0", "-c", &named], 1);
    assert!(store.read_dir().unwrap().next().is_some());
    drop(node);
}
