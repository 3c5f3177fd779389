//! One question to every device of a fleet at once.
//!
//! Real: the control plane with its store on disk and its API, one QUIC connection with a full handshake and a key of
//! its own for every agent, each agent's node, link, journal protocol, local queue and runner. Not real: the engine
//! does nothing, journals and files of the agents are in memory, and all agents share one other process of this machine.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bacalhau_protocol::model::ObservedState;
use serde_json::{Value, json};

use crate::clock::now;
use crate::cluster::Cluster;
use crate::devices::Devices;
use crate::noop;
use crate::process;
use crate::statistics::{Spans, per_second};

const ROUNDS: usize = 10;

pub(crate) async fn run(agents: usize) -> Result<()> {
    let cluster = Cluster::start().await?;
    let devices = connect(&cluster, agents).await?;
    let (mut answered, mut done) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let began = now();
        let id = cluster.submit(&question()).await?;
        answered.push(began.elapsed());
        done.push(cluster.endings.of(&id).await?.duration_since(began));
        let executions = cluster.control_plane.orchestrator().reader().executions(&id).await?;
        let good = executions.iter().filter(|one| one.observed == ObservedState::Completed).count();
        ensure!(good == agents, "round {round}: {good} of {agents} agents answered");
    }
    println!("ops job to {agents} agents: all answers durable {}", Spans::new(done));
    println!("  of that until the API answered, all executions durable: {}", Spans::new(answered));
    println!("  control plane: anonymous memory {} KiB", own_memory()?);
    devices.end().await
}

async fn connect(cluster: &Arc<Cluster>, agents: usize) -> Result<Devices> {
    let (began, before) = (now(), own_memory()?);
    let mut devices = Devices::spawn(agents, cluster).await?;
    devices.started().await?;
    let started = began.elapsed();
    devices.connected().await?;
    let (span, after) = (began.elapsed(), own_memory()?);
    println!(
        "{agents} agents: all started after {started:.2?}, all let in after {span:.2?} ({:.0}/s)",
        per_second(agents, span)
    );
    println!("  control plane: anonymous memory {before} KiB before, {after} KiB after");
    Ok(devices)
}

fn own_memory() -> Result<u64> {
    process::anonymous_kib(std::process::id())
}

fn question() -> Value {
    json!({
        "Type": "ops",
        "Tasks": [{
            "Name": "main",
            "Engine": {"Type": noop::KIND},
            "Resources": {"CPU": "10m", "Memory": "1Mb", "Disk": "1Mb"},
        }],
    })
}
