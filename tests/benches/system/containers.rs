//! What a container costs as a job beside `docker run` of the same image by hand, on an engine of the bench's own.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bacalhau_agent::clock::Clock;
use bacalhau_agent::executor::Executors;
use bacalhau_agent::executor::docker::{DockerExecutor, Settings};
use bacalhau_agent::{Agent, Replacements};
use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::quantity::Share;
use bacalhau_tests::engine::{Engine, IMAGE};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::clock::now;
use crate::cluster::{Cluster, agent_config, let_in, run_many};
use crate::statistics::Spans;

const WARM_UP: usize = 3;
const ALONE: usize = 30;
const MANY: usize = 60;
const AT_ONCE: usize = 16;
/// Times the many are run, by hand and as jobs in turns.
const ROUNDS: usize = 3;

pub(crate) async fn run() -> Result<()> {
    let engine = Engine::shared();
    let cluster = Cluster::start().await?;
    let agent = agent(&cluster, &engine).await?;
    one_after_the_other(&cluster, &engine).await?;
    many(&cluster, &engine).await?;
    agent.shutdown().await;
    Ok(())
}

async fn agent(cluster: &Cluster, engine: &Engine) -> Result<Agent> {
    let host = |name: &str| (name == "DOCKER_HOST").then(|| engine.host());
    let id = NodeId::parse("bench")?;
    let docker = DockerExecutor::new(Settings::from_environment(id, Vec::new(), Clock::new(None), host));
    let directory = cluster.directory.path().join("agent");
    let mut config = agent_config(&directory, cluster.control_plane.fleet_address(), cluster.join_string())?;
    config.allocation.cpu = Share::cpu("16").map_err(anyhow::Error::msg)?;
    let executors = Some(Executors::new(vec![Arc::new(docker)]));
    let agent = Agent::start_with(config, Replacements { executors, ..Replacements::default() }).await?;
    let_in(&agent).await?;
    Ok(agent)
}

/// Both ways take turns, so that they meet the same machine.
async fn one_after_the_other(cluster: &Cluster, engine: &Engine) -> Result<()> {
    let (mut by_hand, mut as_job) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ALONE {
        let (hand, job) = (run_by_hand(engine.host()).await?, cluster.run(&job()).await?.done);
        if round >= WARM_UP {
            by_hand.push(hand);
            as_job.push(job);
        }
    }
    let (by_hand, as_job) = (Spans::new(by_hand), Spans::new(as_job));
    println!("{ALONE} containers that do nothing, one after the other: by hand {by_hand}");
    println!("  as jobs, submit to done: {as_job}");
    let (hand, job) = (by_hand.p50(), as_job.p50());
    println!("  p50 of jobs beside by hand: {:.2}", job.as_secs_f64() / hand.as_secs_f64());
    Ok(())
}

async fn many(cluster: &Arc<Cluster>, engine: &Engine) -> Result<()> {
    let (mut by_hand, mut as_jobs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_hand.push(many_by_hand(engine.host()).await?);
        as_jobs.push(run_many(cluster, AT_ONCE, MANY, |_| job()).await?.1);
    }
    let (by_hand, as_jobs) = (Spans::new(by_hand), Spans::new(as_jobs));
    println!("{MANY} containers, {AT_ONCE} at a time, {ROUNDS} times: by hand {by_hand}");
    println!("  as jobs: {as_jobs}");
    let (hand, jobs) = (by_hand.p50(), as_jobs.p50());
    println!("  p50 of jobs beside by hand: {:.2}", jobs.as_secs_f64() / hand.as_secs_f64());
    Ok(())
}

async fn many_by_hand(host: String) -> Result<Duration> {
    let began = now();
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let runs: Vec<_> = (0..MANY)
        .map(|_| {
            let (turns, host) = (Arc::clone(&turns), host.clone());
            tokio::spawn(async move {
                let _turn = turns.acquire().await?;
                run_by_hand(host).await
            })
        })
        .collect();
    for run in runs {
        run.await??;
    }
    Ok(began.elapsed())
}

async fn run_by_hand(host: String) -> Result<Duration> {
    let began = now();
    let mut docker = Command::new("docker");
    docker.args(["--host", &host, "run", "--rm", "--network", "none", IMAGE, "true"]).stdin(Stdio::null());
    let output = docker.output().await?;
    ensure!(output.status.success(), "docker run: {}", String::from_utf8_lossy(&output.stderr));
    Ok(began.elapsed())
}

fn job() -> Value {
    json!({
        "Type": "batch",
        "Tasks": [{
            "Name": "main",
            "Engine": {"Type": "docker", "Params": {"Image": IMAGE, "Parameters": ["true"]}},
            // A share of the processor would count for the engine's own work in the container too.
            "Resources": {"CPU": "1", "Memory": "16Mb"},
        }],
    })
}
