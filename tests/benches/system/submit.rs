//! What a job costs that does nothing: from the request to the API until its end is durable.
//!
//! A real control plane and real agents in one process, each with its directory on the same disk; WASM really runs.

use std::sync::Arc;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::{Cluster, run_many};
use crate::disk::Disk;
use crate::statistics::{Spans, per_second};

const WARM_UP: usize = 50;
const ALONE: usize = 500;
const MANY: usize = 5_000;
const SUBMITTERS: usize = 64;
/// Commits that follow one another in the life of a trivial job, see docs/durability.md.
const COMMITS: u32 = 3;

pub(crate) async fn run() -> Result<()> {
    let cluster = Cluster::start().await?;
    let job = trivial_job();
    let mut agents = vec![cluster.agent(0).await?];
    one_after_the_other(&cluster, &job).await?;
    at_once(&cluster, &job, agents.len()).await?;
    for number in 1..4 {
        agents.push(cluster.agent(number).await?);
    }
    at_once(&cluster, &job, agents.len()).await?;
    for agent in agents {
        agent.shutdown().await;
    }
    Ok(())
}

/// Jobs and bare syncs take turns, so that both meet the same disk.
async fn one_after_the_other(cluster: &Cluster, job: &Value) -> Result<()> {
    let mut disk = Disk::of(cluster.directory.path())?;
    for _ in 0..WARM_UP {
        cluster.run(job).await?;
    }
    let (mut answered, mut done, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ALONE {
        syncs.push(disk.sync()?);
        let timed = cluster.run(job).await?;
        answered.push(timed.answered);
        done.push(timed.done);
    }
    let (answered, done, syncs) = (Spans::new(answered), Spans::new(done), Spans::new(syncs));
    println!("{ALONE} WASM jobs one after the other, 1 agent: submit to done {done}");
    println!("  of that until the API answered: {answered}");
    println!("  in between, 4 KiB write and fdatasync of the same disk: {syncs}");
    println!("  p50 less {COMMITS} such commits: {:.2?}", done.p50().saturating_sub(COMMITS * syncs.p50()));
    Ok(())
}

async fn at_once(cluster: &Arc<Cluster>, job: &Value, agents: usize) -> Result<()> {
    let job = job.clone();
    let (jobs, span) = run_many(cluster, SUBMITTERS, MANY, move |_| job.clone()).await?;
    let done = Spans::new(jobs.iter().map(|job| job.done).collect());
    let rate = per_second(MANY, span);
    println!("{MANY} WASM jobs, {SUBMITTERS} submitters, {agents} agent(s): {rate:.0} jobs/s; each {done}");
    Ok(())
}

/// A module that returns at once, as a client sends it: inline.
fn trivial_job() -> Value {
    let module = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
        .expect("the text is a module");
    let url = format!("data:application/wasm;base64,{}", STANDARD.encode(module));
    json!({
        "Type": "batch",
        "Tasks": [{
            "Name": "main",
            "Engine": {"Type": "wasm", "Params": {"EntryModule": "module"}},
            "InputSources": [{
                "Source": {"Type": "inline", "Params": {"URL": url}},
                "Target": "/module.wasm",
                "Alias": "module",
            }],
            "Resources": {"CPU": "10m", "Memory": "1Mb", "Disk": "1Mb"},
        }],
    })
}
