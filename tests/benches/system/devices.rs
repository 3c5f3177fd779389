//! Many devices in a process of their own: the agent's real node, link and runner, with a journal in memory and an
//! engine that does nothing, because each real device has a disk and processors of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use bacalhau_agent::{Agent, Replacements};
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::cluster::{Cluster, agent_config, let_in};
use crate::noop;

/// First argument of the process that hosts devices.
pub(crate) const ARGUMENT: &str = "devices";

const STARTED: &str = "started";
const CONNECTED: &str = "connected";
/// Files in memory, where there are such.
const MEMORY: &str = "/dev/shm";

/// A process that hosts devices. Dropping it kills the process; [`end`](Self::end) lets it tidy up.
pub(crate) struct Devices {
    said: Lines<BufReader<ChildStdout>>,
    process: Child,
    open: ChildStdin,
}

impl Devices {
    /// Begins to start `count` devices that join `cluster`.
    pub(crate) async fn spawn(count: usize, cluster: &Cluster) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &count.to_string(), &cluster.control_plane.fleet_address().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut open = process.stdin.take().context("its input is a pipe")?;
        open.write_all(format!("{}\n", cluster.join_string()).as_bytes()).await?;
        let said = BufReader::new(process.stdout.take().context("its output is a pipe")?).lines();
        Ok(Self { said, process, open })
    }

    /// Waits until all agents run, connected or not.
    pub(crate) async fn started(&mut self) -> Result<()> {
        self.hear(STARTED).await
    }

    /// Waits until the control plane has let all of them in. Call it after [`started`](Self::started).
    pub(crate) async fn connected(&mut self) -> Result<()> {
        self.hear(CONNECTED).await
    }

    /// Ends the process, and waits until its files are gone.
    pub(crate) async fn end(mut self) -> Result<()> {
        drop(self.open);
        let status = self.process.wait().await?;
        ensure!(status.success(), "the devices' process ended with {status}");
        Ok(())
    }

    async fn hear(&mut self, word: &str) -> Result<()> {
        let line = self.said.next_line().await?.context("the devices' process ended")?;
        ensure!(line == word, "the devices said {line:?} instead of {word:?}");
        Ok(())
    }
}

/// The devices' process: runs until its input ends.
pub(crate) async fn host(count: usize, fleet: SocketAddr) -> Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut join = String::new();
    input.read_line(&mut join).await?;
    let directory = if Path::new(MEMORY).is_dir() { TempDir::new_in(MEMORY)? } else { TempDir::new()? };
    let starting = (0..count).map(|number| device(directory.path(), number, fleet, join.trim()));
    let agents = try_join_all(starting).await?;
    println!("{STARTED}");
    for agent in &agents {
        let_in(agent).await?;
    }
    println!("{CONNECTED}");
    input.read_to_end(&mut Vec::new()).await?;
    Ok(())
}

async fn device(directory: &Path, number: usize, fleet: SocketAddr, join: &str) -> Result<Agent> {
    let config = agent_config(&directory.join(number.to_string()), fleet, join)?;
    let replacements = Replacements { executors: Some(noop::only()), journal_in_memory: true };
    Ok(Agent::start_with(config, replacements).await?)
}
