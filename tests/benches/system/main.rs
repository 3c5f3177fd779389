//! Benches of the whole system; docs/benchmarks.md says what each measures and what came out.
//!
//! `cargo bench -p bacalhau-tests --bench system -- submit | docker | list [JOBS] | swarm [AGENTS] | idle [AGENT-PROGRAM]`;
//! without arguments all of them but `docker`, which must be root, each in a process of its own. Directories are made below `TMPDIR`, which must be on a
//! disk.

// What the measured program has.
#[path = "../../../cli/src/allocator.rs"]
mod allocator;
mod clock;
mod cluster;
mod containers;
mod devices;
mod disk;
mod endings;
mod idle;
mod list;
mod noop;
mod process;
mod relay;
mod statistics;
mod submit;
mod swarm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail, ensure};

const JOBS: usize = 100_000;
const AGENTS: usize = 1_000;

fn main() -> Result<ExitCode> {
    // Cargo adds an argument of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == bacalhau_agent::COMPILE_ARGUMENT) {
        return Ok(bacalhau_agent::executor::wasm::compile_child());
    }
    if arguments.is_empty() {
        each()?;
    } else {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(&arguments))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn each() -> Result<()> {
    for bench in ["submit", "list", "swarm", "idle"] {
        println!("-- {bench}");
        let status = Command::new(std::env::current_exe()?).arg(bench).status()?;
        ensure!(status.success(), "{bench} failed");
    }
    Ok(())
}

async fn run(arguments: &[String]) -> Result<()> {
    let (name, rest) = arguments.split_first().expect("the caller saw an argument");
    match (name.as_str(), rest) {
        ("submit", []) => submit::run().await,
        ("docker", []) => containers::run().await,
        ("list", []) => list::run(JOBS).await,
        ("list", [jobs]) => list::run(jobs.parse()?).await,
        ("swarm", []) => swarm::run(AGENTS).await,
        ("swarm", [agents]) => swarm::run(agents.parse()?).await,
        ("idle", []) => idle::run(None).await,
        ("idle", [program]) => idle::run(Some(PathBuf::from(program))).await,
        (devices::ARGUMENT, [count, fleet]) => devices::host(count.parse()?, fleet.parse()?).await,
        (idle::CONTROL_PLANE_ARGUMENT, [directory]) => idle::serve(Path::new(directory)).await,
        _ => bail!(
            "expected submit, docker, list [JOBS], swarm [AGENTS] or idle [AGENT-PROGRAM], not {arguments:?}"
        ),
    }
}
