//! A control plane and agents on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bacalhau_cli::client::{Client, ExecutionQuery, HistoryQuery, NodeAction};
use bacalhau_cli::config::client::ClientConfig;
use bacalhau_protocol::api::{Connection, Execution, Job, NodeState};
use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::{eventually, seen};

/// Name of the process that is not an agent.
pub(crate) const CONTROL_PLANE: &str = "control-plane";
/// The control plane's file with the join string, below its data directory.
const JOIN_FILE: &str = "orchestrator/secrets/join";
/// The agent's program, and its name in the folder of a cluster where somebody else runs it.
const AGENT: &str = env!("CARGO_BIN_EXE_system-bacalhau-agent");
const AGENT_COPY: &str = "agent-program";
/// A user who owns nothing.
pub(crate) const NOBODY: u32 = 65_534;
/// Longest run of a command line that waits for a job.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// A control plane and agents on this machine; dropping it ends them and removes what they wrote.
pub(crate) struct Cluster {
    /// Speaks to the control plane.
    pub(crate) client: Client,
    processes: BTreeMap<String, Process>,
    settings: BTreeMap<String, Vec<String>>,
    variables: BTreeMap<String, Vec<(String, OsString)>>,
    /// Agents that run as [`NOBODY`].
    unprivileged: BTreeSet<String>,
    ports: Ports,
    folder: TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit code.
    pub(crate) code: i32,
    /// Data.
    pub(crate) stdout: String,
    /// Everything else.
    pub(crate) stderr: String,
}

impl Cluster {
    /// A control plane with these settings (`Key=Value`), once it answers.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let ports = Ports::free();
        let endpoint = format!("http://127.0.0.1:{}", ports.api).parse().unwrap();
        let mut cluster = Self {
            client: Client::new(ClientConfig::plain(endpoint)),
            processes: BTreeMap::new(),
            settings: BTreeMap::new(),
            variables: BTreeMap::new(),
            unprivileged: BTreeSet::new(),
            ports,
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(cluster.host()).unwrap();
        cluster.set(CONTROL_PLANE, settings);
        cluster.start_again(CONTROL_PLANE).await;
        cluster
    }

    /// A control plane that approves by itself, and agents with these names, connected.
    pub(crate) async fn with_agents(names: &[&str]) -> Self {
        let mut cluster = Self::start(&[]).await;
        for name in names {
            cluster.add_agent(name, &[]).await;
        }
        for name in names {
            cluster.node_is(name, "APPROVED", Connection::Connected).await;
        }
        cluster
    }

    /// Starts an agent with these further settings. Its label `site` is its name, and jobs may use everything below
    /// [`Self::host`].
    pub(crate) async fn add_agent(&mut self, name: &str, settings: &[&str]) {
        self.set(name, settings);
        self.start_again(name).await;
    }

    /// Gives a program other settings, for its next start.
    pub(crate) fn set(&mut self, name: &str, settings: &[&str]) {
        self.settings.insert(name.to_owned(), settings.iter().map(|&setting| setting.to_owned()).collect());
    }

    /// Gives a program a variable of its environment, from its next start on.
    pub(crate) fn set_variable(&mut self, name: &str, variable: &str, value: impl Into<OsString>) {
        self.variables.entry(name.to_owned()).or_default().push((variable.to_owned(), value.into()));
    }

    /// From its first start on, an agent runs as a user who may do nothing special.
    pub(crate) fn take_privileges(&mut self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
        chown(self.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        // That user need not get at the folder in which it was built.
        fs::copy(AGENT, self.path(AGENT_COPY)).unwrap();
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        self.unprivileged.insert(name.to_owned());
    }

    /// Starts a program that was killed or terminated, on the same data.
    pub(crate) async fn start_again(&mut self, name: &str) {
        let mut command = if name == CONTROL_PLANE { self.serve() } else { self.agent(name) };
        for setting in &self.settings[name] {
            command.args(["-c", setting]);
        }
        command.envs(self.variables.get(name).into_iter().flatten().cloned());
        let process = Process::spawn(name, &mut command, self.folder.path());
        self.processes.insert(name.to_owned(), process);
        if name == CONTROL_PLANE {
            self.answers().await;
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, name: &str) {
        self.processes.remove(name).expect("it runs").kill();
    }

    /// What a service manager does; the program must end well.
    pub(crate) async fn terminate(&mut self, name: &str) {
        let status = self.processes.remove(name).expect("it runs").terminate().await;
        assert!(status.success(), "{name} ended with {status}");
    }

    /// A folder that jobs may use.
    pub(crate) fn host(&self) -> PathBuf {
        self.folder.path().join("host")
    }

    /// Something else in the folder of this cluster.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The string that lets agents ask to join.
    pub(crate) fn join_string(&self) -> String {
        let file = self.path(CONTROL_PLANE).join(JOIN_FILE);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        text.trim().to_owned()
    }

    /// The API's address without a path.
    pub(crate) fn endpoint(&self) -> String {
        self.client.endpoint()
    }

    /// The API's host and port, as other programs want them.
    pub(crate) fn api(&self) -> (&'static str, String) {
        ("127.0.0.1", self.ports.api.to_string())
    }

    /// Where agents dial.
    pub(crate) fn fleet_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.fleet)
    }

    /// `bacalhau` for this control plane, to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_system-bacalhau"));
        command.args(arguments).current_dir(self.folder.path()).kill_on_drop(true).env("NO_COLOR", "1");
        command.env("BACALHAU_DIR", self.path("client")).env("BACALHAU_API_HOST", "127.0.0.1");
        command.env("BACALHAU_API_PORT", self.ports.api.to_string());
        command
    }

    /// Runs `bacalhau` against this control plane.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Said {
        let output = tokio::time::timeout(COMMAND_LIMIT, self.command(arguments).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
        Said {
            code: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `bacalhau`, which must succeed, and returns what it printed.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> String {
        let said = self.cli(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.stdout
    }

    /// Submits a job and returns its id.
    pub(crate) async fn submit(&self, job: &Value) -> String {
        self.client.submit(job, false).await.unwrap().job_id
    }

    /// The job when nothing can happen to it any more.
    pub(crate) async fn ended(&self, job: &str) -> Job {
        self.job_when(&format!("job {job} has ended"), job, |job| job.state.state_type.is_terminal()).await
    }

    /// The job once it `is_so`.
    pub(crate) async fn job_when(&self, what: &str, job: &str, is_so: impl Fn(&Job) -> bool) -> Job {
        eventually(what, async || {
            let answer = self.client.job(job, 0, "").await.map_err(|error| error.to_string())?;
            seen(answer.job.state.clone(), |_| is_so(&answer.job)).map(|_| answer.job.clone())
        })
        .await
    }

    /// The latest version's executions.
    pub(crate) async fn executions(&self, job: &str) -> Vec<Execution> {
        self.client.all_executions(job, "").await.unwrap()
    }

    /// The executions of all versions once they are so.
    pub(crate) async fn executions_when(
        &self,
        what: &str,
        job: &str,
        are_so: impl Fn(&[Execution]) -> bool,
    ) -> Vec<Execution> {
        let query = ExecutionQuery { all_versions: true, ..ExecutionQuery::default() };
        eventually(what, async || {
            let page = self.client.executions(job, &query).await.map_err(|error| error.to_string())?;
            let shown: Vec<String> = page.items.iter().map(outline).collect();
            seen(shown, |_| are_so(&page.items)).map(|_| page.items.clone())
        })
        .await
    }

    /// Everything that happened to a job, one message a line.
    pub(crate) async fn history(&self, job: &str) -> Vec<String> {
        let page = self.client.history(job, &HistoryQuery::default()).await.unwrap();
        page.items.into_iter().map(|item| item.event.message).collect()
    }

    /// The node once it stands like this.
    pub(crate) async fn node_is(&self, name: &str, membership: &str, connection: Connection) -> NodeState {
        let what = format!("node {name} is {membership} and {}", connection.as_str());
        self.node_when(&what, name, |node| node.membership == membership && node.connection == connection)
            .await
    }

    /// The node once it is known and `is_so`.
    pub(crate) async fn node_when(
        &self,
        what: &str,
        name: &str,
        is_so: impl Fn(&NodeState) -> bool,
    ) -> NodeState {
        eventually(what, async || {
            let node = self.client.node(name).await.map_err(|error| error.to_string())?;
            seen(node, |node| is_so(node))
        })
        .await
    }

    /// Approves a node that asked to join, and waits until it has been let in.
    pub(crate) async fn approve(&self, name: &str) {
        self.node_is(name, "PENDING", Connection::Connected).await;
        self.client.decide(name, NodeAction::Approve { replace_key: false }, "").await.unwrap();
        self.node_is(name, "APPROVED", Connection::Connected).await;
    }

    /// Waits until a program's log has `text`.
    pub(crate) async fn log_has(&self, name: &str, text: &str) {
        let log = self.path(&format!("{name}.log"));
        let what = format!("the log of {name} has {text:?}");
        eventually(&what, async || {
            let log = fs::read_to_string(&log).map_err(|error| error.to_string())?;
            seen(last_lines(&log), |_| log.contains(text)).map(|_| ())
        })
        .await;
    }

    async fn answers(&mut self) {
        let client = self.client.clone();
        let process = self.processes.get_mut(CONTROL_PLANE).expect("it was started");
        eventually("the control plane answers", async || {
            assert_eq!(process.ended(), None, "the control plane ended");
            client.alive().await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    fn serve(&self) -> Command {
        let mut command = program(Path::new(env!("CARGO_BIN_EXE_system-bacalhau")));
        command.args(["serve", "--orchestrator", "--data-dir"]).arg(self.path(CONTROL_PLANE));
        let Ports { api, fleet } = self.ports;
        for setting in [
            "API.Host=127.0.0.1",
            &format!("API.Port={api}"),
            "Orchestrator.Host=127.0.0.1",
            &format!("Orchestrator.Port={fleet}"),
        ] {
            command.args(["-c", setting]);
        }
        command
    }

    fn agent(&self, name: &str) -> Command {
        let mut command = if self.unprivileged.contains(name) {
            let mut command = program(&self.path(AGENT_COPY));
            command.uid(NOBODY).gid(NOBODY);
            command
        } else {
            program(Path::new(AGENT))
        };
        command.arg("--data-dir").arg(self.path(name));
        for setting in [
            format!("NodeName={name}"),
            format!("Labels=site={name}"),
            format!("Compute.Orchestrators={}", self.fleet_address()),
            format!("Compute.AllowListedLocalPaths={}/**:rw", self.host().display()),
        ] {
            command.args(["-c", &setting]);
        }
        command.env("BACALHAU_COMPUTE_AUTH_TOKEN", self.join_string());
        // A Docker engine of the machine is none of the tests', and neither are its credentials.
        command.env("DOCKER_HOST", "unix:///nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_CONFIG_FILE", "/nonexistent").env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
        command
    }
}

/// Without what the person who runs the tests has set for clusters of their own.
fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("BACALHAU_") || text.starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

fn outline(execution: &Execution) -> String {
    let Execution { node_id, compute_state, desired_state, .. } = execution;
    format!(
        "{node_id}: {} ({}, {})",
        compute_state.state_type, desired_state.state_type, compute_state.message
    )
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(3).collect();
    lines.join(" / ")
}

#[derive(Clone, Copy)]
struct Ports {
    api: u16,
    fleet: u16,
}

impl Ports {
    /// Two that are free now. They stay free while a control plane restarts: each is handed out once, and they lie below
    /// those the system gives to outgoing connections.
    fn free() -> Self {
        let free_api = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let free_fleet = |port: &u16| UdpSocket::bind(("127.0.0.1", *port)).is_ok();
        let candidates = || std::iter::repeat_with(next_port);
        let find = |is_free: &dyn Fn(&u16) -> bool| candidates().find(|port| is_free(port));
        let (api, fleet) = (find(&free_api), find(&free_fleet));
        Self {
            api: api.expect("the candidates do not end"),
            fleet: fleet.expect("the candidates do not end"),
        }
    }
}

const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;

/// Processes begin at different places, so that tests that run side by side seldom meet.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() * 97 % u32::from(PORTS)).expect("below PORTS");
    let step = NEXT.fetch_add(1, Ordering::Relaxed);
    FIRST_PORT + (start + step % PORTS) % PORTS
}
