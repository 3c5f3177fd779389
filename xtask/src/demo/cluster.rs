//! The processes of the demo, and the command line that speaks to them.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{shell, workspace};

/// A control plane and its agents; dropping it ends them all.
pub(super) struct Cluster {
    folder: PathBuf,
    api_port: u16,
    link_port: u16,
    processes: Vec<(String, Child)>,
}

impl Cluster {
    /// Starts a control plane that keeps everything in `folder`, and waits until it answers.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let api_port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let link_port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut cluster = Self { folder: folder.to_path_buf(), api_port, link_port, processes: Vec::new() };
        let mut command = Command::new(program("bacalhau"));
        command.args(["serve", "--orchestrator", "--data-dir"]).arg(folder.join(CONTROL_PLANE));
        command.args(["-c", "API.Host=127.0.0.1", "-c", &format!("API.Port={api_port}")]);
        command.args(["-c", "Orchestrator.Host=127.0.0.1", "-c", &format!("Orchestrator.Port={link_port}")]);
        command.args(["-c", "Orchestrator.NodeManager.ManualApproval=true"]);
        cluster.spawn(CONTROL_PLANE, &mut command)?;
        cluster.wait_until("the control plane answers", |cluster| {
            cluster
                .client(&["agent", "alive"])
                .stderr(Stdio::null())
                .output()
                .is_ok_and(|o| o.status.success())
        })?;
        Ok(cluster)
    }

    /// Starts an agent that lets jobs read this machine's logs.
    pub(super) fn start_agent(&mut self, name: &str, agent: &[String]) -> Result<()> {
        let (program, arguments) = agent.split_first().context("no agent to start")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(workspace::root());
        command.args(["--name", name, "--data-dir"]).arg(self.folder.join(name));
        command.args(["--orchestrator", &format!("127.0.0.1:{}", self.link_port)]);
        command.arg("--join-file").arg(self.folder.join(CONTROL_PLANE).join(JOIN_FILE));
        command.args(["--allow-path", "/var/log:ro"]);
        self.spawn(name, &mut command)
    }

    /// Runs a client command in view of the user, and returns what it printed.
    pub(super) fn show(&self, arguments: &[&str]) -> Result<String> {
        println!("$ bacalhau {}", arguments.join(" "));
        let output = shell::read(&mut self.client(arguments))?;
        println!("{output}\n");
        Ok(output)
    }

    /// How many nodes these filters of `node list` let through.
    pub(super) fn count_nodes(&self, filters: &[&str]) -> usize {
        let mut list = self.client(&["node", "list", "--show", "", "--output", "csv", "--hide-header"]);
        shell::read(list.args(filters)).map_or(0, |nodes| nodes.lines().count())
    }

    /// Node and complete output of every execution of a job.
    pub(super) fn answers(&self, job: &str) -> Result<Vec<(String, String)>> {
        let csv = shell::read(&mut self.client(&["job", "executions", job, "--output", "csv", "--wide"]))?;
        let mut lines = csv.lines();
        let heading: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name| {
            heading.iter().position(|title| *title == name).with_context(|| format!("no {name} in {csv}"))
        };
        let (id, node) = (column("ID")?, column("Node ID")?);
        let mut answers = Vec::new();
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let (Some(id), Some(node)) = (cells.get(id), cells.get(node)) else {
                bail!("unexpected line {line}")
            };
            let output = shell::read(&mut self.client(&["job", "logs", job, "--execution-id", id]))?;
            answers.push(((*node).to_owned(), output));
        }
        answers.sort();
        Ok(answers)
    }

    /// Asks again and again until `is_so`; gives up with the end of the logs.
    pub(super) fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if is_so(self) {
                return Ok(());
            }
            if let Some(ended) = self.first_ended() {
                bail!("{ended} ended before {what}\n{}", self.log_tail(&ended));
            }
            pause();
        }
        bail!("gave up waiting until {what}\n{}", self.log_tail(CONTROL_PLANE))
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("bacalhau"));
        command.args(arguments).current_dir(workspace::root());
        command.env("BACALHAU_DIR", self.folder.join("client")).env("NO_COLOR", "1");
        command.env("BACALHAU_API_HOST", "127.0.0.1").env("BACALHAU_API_PORT", self.api_port.to_string());
        command
    }

    fn spawn(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let log = File::create(self.log_path(name))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.with_context(|| format!("cannot start {}", shell::describe(command)))?;
        self.processes.push((name.to_owned(), child));
        Ok(())
    }

    fn first_ended(&mut self) -> Option<String> {
        let mut processes = self.processes.iter_mut();
        processes.find_map(|(name, child)| matches!(child.try_wait(), Ok(Some(_))).then(|| name.clone()))
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn log_tail(&self, name: &str) -> String {
        let log = fs::read_to_string(self.log_path(name)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (name, child) in &mut self.processes {
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                eprintln!("cannot stop {name} (process {}): {error}", child.id());
            }
        }
    }
}

/// One of the two programs, as just built.
pub(super) fn program(name: &str) -> PathBuf {
    workspace::target_dir().join("debug").join(name)
}

#[expect(clippy::disallowed_methods, reason = "another process's state can only be asked for again")]
fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}

const CONTROL_PLANE: &str = "control-plane";
/// Below the control plane's data directory.
const JOIN_FILE: &str = "orchestrator/secrets/join";
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Half a minute in all.
const ATTEMPTS: usize = 300;
const LOG_LINES_SHOWN: usize = 20;
