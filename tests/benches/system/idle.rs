//! What it costs to be there: the agent's program connected and with nothing to do, and how long both sides take to
//! start.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bacalhau_control_plane::ControlPlane;
use bacalhau_control_plane::state::keys;
use bacalhau_control_plane::store::Watch;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::clock::{let_pass, now};
use crate::cluster::{Cluster, config};
use crate::endings::watch_from_now;
use crate::process;
use crate::relay::Relay;

/// First argument of the process that is a control plane.
pub(crate) const CONTROL_PLANE_ARGUMENT: &str = "control-plane";

/// After this the agent has forgotten its start.
const SETTLING: Duration = Duration::from_secs(10);
/// Holds three keep-alives.
const WATCHED: Duration = Duration::from_secs(66);
const STARTS: usize = 5;

pub(crate) async fn run(program: Option<PathBuf>) -> Result<()> {
    let program = program.map_or_else(beside_this, Ok)?;
    control_plane_starts().await?;
    let cluster = Cluster::start().await?;
    let relay = Relay::start(cluster.control_plane.fleet_address()).await?;
    let mut nodes = watch_from_now(cluster.store()).await?;
    let began = now();
    let agent = agent(&program, &relay, &cluster).await?;
    joined(&mut nodes).await?;
    println!("agent: first start until let in, its membership durable: {:.2?}", began.elapsed());
    let_pass(SETTLING).await;
    watch_idle(agent.id().context("the agent has ended")?, &relay).await
}

async fn watch_idle(agent: u32, relay: &Relay) -> Result<()> {
    let (wake_ups, (datagrams, bytes)) = (process::wake_ups(agent)?, relay.counted());
    let_pass(WATCHED).await;
    let wake_ups = process::wake_ups(agent)? - wake_ups;
    let (datagrams, bytes) = (relay.counted().0 - datagrams, relay.counted().1 - bytes);
    ensure!(datagrams > 0, "the agent keeps its connection alive");
    let seconds = WATCHED.as_secs_f64();
    println!(
        "agent, idle: {} KiB PSS, {} KiB of it anonymous",
        process::proportional_kib(agent)?,
        process::anonymous_kib(agent)?
    );
    println!("  {wake_ups} wake-ups in {WATCHED:.0?}: {:.2}/s", f64_of(wake_ups) / seconds);
    println!(
        "  {datagrams} datagrams, {bytes} bytes with IP and UDP headers, both ways: {:.0} bytes/min",
        f64_of(bytes) * 60.0 / seconds
    );
    Ok(())
}

/// The agent's program on a new directory, dialling through `relay`.
async fn agent(program: &Path, relay: &Relay, cluster: &Cluster) -> Result<Child> {
    let mut agent = Command::new(program)
        .args(["--join", "-", "--log-level", "error", "--orchestrator"])
        .arg(relay.address().to_string())
        .arg("--data-dir")
        .arg(cluster.directory.path().join("agent"))
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let mut stdin = agent.stdin.take().context("its input is a pipe")?;
    stdin.write_all(cluster.join_string().as_bytes()).await?;
    Ok(agent)
}

/// Waits until a node is durable.
async fn joined(nodes: &mut Watch) -> Result<()> {
    loop {
        let batch = nodes.next().await?;
        if batch.changes.iter().any(|change| change.key.starts_with(&keys::nodes())) {
            return Ok(());
        }
    }
}

fn beside_this() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let program = this.parent().and_then(Path::parent).context("this program lies in a target folder")?;
    let program = program.join("bacalhau-agent");
    ensure!(
        program.exists(),
        "there is no {}: `cargo build --release -p bacalhau-agent` makes it, or name another one",
        program.display()
    );
    Ok(program)
}

/// From the start of the process until its API has answered; on a new directory, then on a used one.
async fn control_plane_starts() -> Result<()> {
    let directory = TempDir::new()?;
    let first = control_plane_start(directory.path()).await?;
    let mut later = Vec::new();
    for _ in 0..STARTS {
        later.push(control_plane_start(directory.path()).await?);
    }
    later.sort();
    println!(
        "control plane: first start, keys and certificates included, until the API answers: {:.2?}; later ones: \
         {:.2?}; fresh: {} KiB PSS, {} KiB of it anonymous",
        first.0,
        later[STARTS / 2].0,
        first.1,
        first.2
    );
    Ok(())
}

/// The span, and the memory of the process: PSS and anonymous, KiB.
async fn control_plane_start(directory: &Path) -> Result<(Duration, u64, u64)> {
    let began = now();
    let mut child = Command::new(std::env::current_exe()?)
        .arg(CONTROL_PLANE_ARGUMENT)
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output is a pipe")?).lines();
    let address = lines.next_line().await?.context("the control plane did not start")?;
    let url = format!("http://{address}/api/v1/agent/alive");
    let answer = bacalhau_tests::http::client().get(url).send().await?;
    answer.error_for_status()?.bytes().await?;
    let span = began.elapsed();
    let pid = child.id().context("the control plane has ended")?;
    let memory = (process::proportional_kib(pid)?, process::anonymous_kib(pid)?);
    drop(child.stdin.take());
    ensure!(child.wait().await?.success(), "the control plane did not stop in good order");
    Ok((span, memory.0, memory.1))
}

/// The control plane's process: prints the API's address and runs until its input ends.
pub(crate) async fn serve(directory: &Path) -> Result<()> {
    let control_plane = ControlPlane::start(config(directory)).await?;
    println!("{}", control_plane.api_address().context("the API is not served")?);
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    control_plane.shutdown().await;
    Ok(())
}

fn f64_of(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
