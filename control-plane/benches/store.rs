//! What durability costs: commits of the embedded store beside the bare syncs of the same disk.
//!
//! `cargo bench --bench store -- [DIRECTORY]`; the default is the system's temporary directory, which must be on a disk.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bacalhau_control_plane::store::heed::{Durability, Options};
use bacalhau_control_plane::store::{HeedStore, Store, Txn};
use tempfile::TempDir;

/// How long each measurement runs.
const SPAN: Duration = Duration::from_secs(3);
/// About what an execution's record takes.
const VALUE_BYTES: usize = 500;
const WRITERS: u64 = 64;
const ENTRIES: u64 = 200_000;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let parent = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = parent.map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = TempDir::new_in(&parent).with_context(|| format!("cannot use {}", parent.display()))?;

    // First, so that nothing else is in memory yet.
    runtime.block_on(filled(&directory.path().join("filled")))?;
    for (name, durability) in [("durable", Durability::Disk), ("page cache only", Durability::PageCache)] {
        let store = open(&directory.path().join(name), durability)?;
        let (alone, disk) = runtime.block_on(lone(&store, &tempfile::tempfile_in(&directory)?))?;
        println!(
            "{name}, 1 writer: {alone}; = {:.2} syncs of the disk",
            alone.p50.div_duration_f64(disk.p50)
        );
        println!("  in between, 4 KiB write and fdatasync: {disk}");
        let many = runtime.block_on(commits(&store, WRITERS))?;
        println!(
            "{name}, {WRITERS} writers: {many}; = {:.0} commits per lone one",
            many.per_second / alone.per_second
        );
    }
    Ok(())
}

/// One writer, and the rewrite of a block and its sync, which no durable commit can beat. They take turns, so that both
/// meet the same disk.
async fn lone(store: &HeedStore, file: &File) -> Result<(Measured, Measured)> {
    file.write_all_at(&vec![0; 1 << 20], 0)?;
    file.sync_all()?;
    let (mut commits, mut syncs) = (Vec::new(), Vec::new());
    let start = now();
    while start.elapsed() < SPAN {
        let n = commits.len() as u64;
        let began = now();
        file.write_all_at(&[1; 4096], n % 256 * 4096)?;
        file.sync_data()?;
        syncs.push(began.elapsed());
        let began = now();
        store.txn(record(n)).await?;
        commits.push(began.elapsed());
    }
    Ok((Measured::alone(commits), Measured::alone(syncs)))
}

/// Writers that each wait for their commit before the next.
async fn commits(store: &Arc<HeedStore>, writers: u64) -> Result<Measured> {
    let start = now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while start.elapsed() < SPAN {
                    let began = now();
                    store.txn(record(writer << 32 | latencies.len() as u64)).await?;
                    latencies.push(began.elapsed());
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(Measured::of(latencies, start.elapsed()))
}

/// What a store that holds much costs to fill, to hold and to open.
async fn filled(directory: &Path) -> Result<()> {
    let store = open(directory, Durability::Disk)?;
    println!("empty: anonymous memory {}", anonymous_memory()?);
    for quarter in 0..4 {
        let (first, start) = (quarter * ENTRIES / 4, now());
        fill(&store, first..first + ENTRIES / 4).await?;
        let rate = per_second(ENTRIES / 4, start.elapsed());
        println!("1000 txns under way: {rate:.0}/s, anonymous memory {}", anonymous_memory()?);
    }
    drop(store);
    let start = now();
    let store = open(directory, Durability::Disk)?;
    println!("{ENTRIES} entries: opened in {:.2?}", start.elapsed());
    let start = now();
    let page = store.range("exec/".into(), "exec0".into(), 100, true).await?;
    println!("last {} of them read in {:.2?}", page.entries.len(), start.elapsed());
    Ok(())
}

async fn fill(store: &HeedStore, numbers: std::ops::Range<u64>) -> Result<()> {
    let mut pending = VecDeque::new();
    for n in numbers {
        pending.push_back(store.txn(record(n)));
        if pending.len() == 1000
            && let Some(oldest) = pending.pop_front()
        {
            oldest.await?;
        }
    }
    for committed in pending {
        committed.await?;
    }
    Ok(())
}

fn open(directory: &Path, durability: Durability) -> Result<Arc<HeedStore>> {
    Ok(Arc::new(HeedStore::open(directory, Options { durability, ..Options::default() })?))
}

fn record(n: u64) -> Txn {
    Txn::new().put(format!("exec/{n:020}"), vec![b'x'; VALUE_BYTES])
}

fn anonymous_memory() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    Ok(line.context("the kernel does not tell")?.trim().to_owned())
}

struct Measured {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

impl Measured {
    /// Of what was done one after the other.
    fn alone(latencies: Vec<Duration>) -> Self {
        let span = latencies.iter().sum();
        Self::of(latencies, span)
    }

    fn of(mut latencies: Vec<Duration>, span: Duration) -> Self {
        latencies.sort();
        let at = |percent| latencies[latencies.len() * percent / 100];
        Self { per_second: per_second(latencies.len() as u64, span), p50: at(50), p99: at(99) }
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s, p50 {:.2?}, p99 {:.2?}", self.per_second, self.p50, self.p99)
    }
}

fn per_second(count: u64, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}
