//! Whether ended jobs cost anything: listing, describing, history and the control plane's memory, with few and with many.
//!
//! The jobs are real: submitted through the API and run by devices of another process, see [`crate::devices`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::clock::now;
use crate::cluster::{Cluster, run_many};
use crate::devices::Devices;
use crate::noop;
use crate::process;
use crate::statistics::{Spans, per_second};

const FEW: usize = 100;
const DEVICES: usize = 4;
const SUBMITTERS: usize = 64;
const ROUNDS: usize = 300;
/// As `bacalhau job list` asks.
const FIRST_PAGE: &str = "/orchestrator/jobs?limit=10&order_by=created_at&reverse=true";
/// The same by last change.
const BY_CHANGE: &str = "/orchestrator/jobs?limit=10&order_by=modified_at&reverse=true";

/// What callers wait for, each the median.
struct Waits {
    first_page: Duration,
    by_change: Duration,
    by_short_id: Duration,
    by_name: Duration,
    history: Duration,
}

pub(crate) async fn run(many: usize) -> Result<()> {
    let cluster = Cluster::start().await?;
    let mut devices = Devices::spawn(DEVICES, &cluster).await?;
    devices.started().await?;
    devices.connected().await?;
    tell_memory("no jobs yet")?;
    fill(&cluster, 0, FEW).await?;
    let few = waits(&cluster, FEW).await?;
    fill(&cluster, FEW, many).await?;
    let much = waits(&cluster, many).await?;
    for (what, few, much) in [
        ("first page of 10 jobs", few.first_page, much.first_page),
        ("first page by last change", few.by_change, much.by_change),
        ("describe by short id", few.by_short_id, much.by_short_id),
        ("describe by name", few.by_name, much.by_name),
        ("history by name", few.history, much.history),
    ] {
        let ratio = much.div_duration_f64(few);
        println!("{what}: p50 {few:.2?} with {FEW} ended jobs, {much:.2?} with {many}; ratio {ratio:.2}");
    }
    devices.end().await
}

/// Runs jobs until there are `until`, in steps, and tells the memory after each.
async fn fill(cluster: &Arc<Cluster>, from: usize, until: usize) -> Result<()> {
    let step = (until - from).div_ceil(4);
    for first in (from..until).step_by(step) {
        let count = step.min(until - first);
        let (_, span) = run_many(cluster, SUBMITTERS, count, move |number| job(first + number)).await?;
        tell_memory(&format!("{} ended jobs ({:.0}/s)", first + count, per_second(count, span)))?;
    }
    Ok(())
}

fn tell_memory(when: &str) -> Result<()> {
    println!("{when}: anonymous memory {} KiB", process::anonymous_kib(std::process::id())?);
    Ok(())
}

async fn waits(cluster: &Cluster, jobs: usize) -> Result<Waits> {
    Ok(Waits {
        first_page: median(cluster, |_| FIRST_PAGE.to_owned()).await?,
        by_change: median(cluster, |_| BY_CHANGE.to_owned()).await?,
        by_short_id: {
            let ids = short_ids(cluster, jobs).await?;
            median(cluster, |round| format!("/orchestrator/jobs/{}", ids[round % ids.len()])).await?
        },
        by_name: median(cluster, |round| format!("/orchestrator/jobs/{}", name(round * 7919 % jobs))).await?,
        history: median(cluster, |round| {
            format!("/orchestrator/jobs/{}/history?event_type=all&limit=10", name(round * 7919 % jobs))
        })
        .await?,
    })
}

/// Short ids of jobs of all ages.
async fn short_ids(cluster: &Cluster, jobs: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for number in (0..jobs).step_by(jobs / 50) {
        let answer = cluster.get(&format!("/orchestrator/jobs/{}", name(number))).await?;
        let described: Value = serde_json::from_slice(&answer)?;
        let id = described["Job"]["ID"].as_str().unwrap_or_default();
        ensure!(id.len() > 10, "the job has no id: {described}");
        ids.push(id[..10].to_owned());
    }
    Ok(ids)
}

async fn median(cluster: &Cluster, path: impl Fn(usize) -> String) -> Result<Duration> {
    let mut spans = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let path = path(round);
        let began = now();
        cluster.get(&path).await?;
        spans.push(began.elapsed());
    }
    Ok(Spans::new(spans).p50())
}

fn name(number: usize) -> String {
    format!("job-{number}")
}

fn job(number: usize) -> Value {
    json!({
        "Name": name(number),
        "Type": "batch",
        "Tasks": [{
            "Name": "main",
            "Engine": {"Type": noop::KIND},
            "Resources": {"CPU": "1m", "Memory": "1Mb", "Disk": "1Mb"},
        }],
    })
}
