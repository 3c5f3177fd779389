//! `cargo xtask demo`: a control plane and three agents on this machine, from approval to answers.
//!
//! The commands it shows are those a person would type. Everything it makes lies in one temporary folder; a shell that
//! outlives Ctrl-C removes it.

mod cluster;
mod side_by_side;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{shell, workspace};
use cluster::Cluster;

/// Builds the programs and plays the demo in a folder that is gone afterwards. Arguments are the command of the first
/// agent, for a binary built for another machine.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [inside, folder, foreign_agent @ ..] if inside == "--inside" => {
            play(Path::new(folder), foreign_agent)
        }
        [option, ..] if option.starts_with('-') => bail!("unknown option `{option}` of `cargo xtask demo`"),
        foreign_agent => run_and_clean_up(foreign_agent),
    }
}

/// Ctrl-C reaches the whole process group: the programs end, and the shell, which traps it, gets to the last step.
fn run_and_clean_up(foreign_agent: &[String]) -> Result<()> {
    shell::run(workspace::cargo().args([
        "build",
        "--locked",
        "--bin",
        "bacalhau",
        "--bin",
        "bacalhau-agent",
    ]))?;
    let folder = std::env::temp_dir().join(format!("bacalhau-demo-{}", std::process::id()));
    let mut guard = Command::new("sh");
    guard.args(["-c", r#"trap : INT TERM; "$0" demo --inside "$@"; code=$?; rm -rf "$1"; exit $code"#]);
    let status = guard.arg(std::env::current_exe()?).arg(&folder).args(foreign_agent).status();
    let status = status.context("cannot start `sh`")?;
    ensure!(status.success(), "the demo ended early ({status})");
    println!("\nThat was all: every process is stopped and {} is gone.", folder.display());
    Ok(())
}

fn play(folder: &Path, foreign_agent: &[String]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    say("A control plane that lets no device in without approval, and three devices that ask.");
    let mut cluster = Cluster::start(folder)?;
    let own_agent = [cluster::program("bacalhau-agent").display().to_string()];
    let first_agent = if foreign_agent.is_empty() { &own_agent } else { foreign_agent };
    for (name, command) in AGENTS.into_iter().zip([first_agent, &own_agent, &own_agent]) {
        cluster.start_agent(name, command)?;
    }
    let pending = ["--filter-approval", "pending"];
    cluster.wait_until("all devices have asked to join", |cluster| cluster.count_nodes(&pending) == 3)?;
    cluster.show(&["node", "list", "--show", "version"])?;

    say("Two are let in, one is not.");
    cluster.show(&["node", "approve", AGENTS[0]])?;
    cluster.show(&["node", "approve", AGENTS[1]])?;
    cluster.show(&["node", "reject", AGENTS[2], "-m", "not one of ours"])?;
    let ready = ["--filter-approval", "approved", "--filter-status", "connected"];
    cluster.wait_until("the approved devices are connected", |cluster| cluster.count_nodes(&ready) == 2)?;
    cluster.show(&["node", "list", "--show", "version"])?;

    say("One job reads this machine's /var/log on every approved device.");
    let job = cluster.show(&["job", "run", "--id-only", JOB])?;
    cluster.show(&["job", "executions", &job])?;

    say("What the devices answered.");
    let answers = cluster.answers(&job)?;
    ensure!(answers.len() == 2, "two answers were expected, {} came", answers.len());
    print!("{}", side_by_side::columns(&answers, LINE_WIDTH));
    Ok(())
}

fn say(text: &str) {
    println!("── {text}\n");
}

const AGENTS: [&str; 3] = ["edge-1", "edge-2", "edge-3"];
const JOB: &str = "examples/host-logs/job.yaml";
const LINE_WIDTH: usize = 120;
