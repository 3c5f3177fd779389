//! What the kernel tells about a process.

use std::fs;

use anyhow::{Context, Result};

/// Memory that only this process has and that no file backs, KiB.
pub(crate) fn anonymous_kib(pid: u32) -> Result<u64> {
    field(&format!("/proc/{pid}/status"), "RssAnon:")
}

/// Memory of a process, KiB; what it shares with others counts in proportion.
pub(crate) fn proportional_kib(pid: u32) -> Result<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// How often threads of a process went to sleep of themselves, which is how often they were woken.
pub(crate) fn wake_ups(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
        let status = thread?.path().join("status");
        // A thread that has ended in between wakes nobody any more.
        sum += field(&status.to_string_lossy(), "voluntary_ctxt_switches:").unwrap_or(0);
    }
    Ok(sum)
}

/// The number behind `name`.
fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("{path} has no {name}"))
}
