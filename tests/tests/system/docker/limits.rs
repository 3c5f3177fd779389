//! Memory, processor and time.

use serde_json::json;

use super::{Site, shell};
use crate::harness::job;

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_hog_is_killed_and_told_apart() {
    let site = Site::start("d-memory", &[]).await;
    let mut job = shell("ops", "echo begins; tail /dev/zero");
    *job::task(&mut job, "Resources") = json!({"CPU": "100m", "Memory": "16Mb"});
    let (state, execution) = site.run(&job).await;
    assert_eq!(state, "Failed");
    let message = &execution.compute_state.message;
    assert!(
        message.starts_with("memory limit exceeded: the task used more than its limit of 16 MB"),
        "{message}"
    );
    assert_eq!(execution.run_output.stdout, "begins\n", "what it wrote before is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processor_is_shared_out_as_asked() {
    let site = Site::start("d-cpu", &[]).await;
    let script = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max";
    let mut job = shell("ops", script);
    *job::task(&mut job, "Resources") = json!({"CPU": "250m", "Memory": "16Mb"});
    let (state, execution) = site.run(&job).await;
    let quota = execution.run_output.stdout.split_whitespace().next().map(str::to_owned);
    assert_eq!((state.as_str(), quota.as_deref()), ("Completed", Some("25000")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_takes_too_long_is_ended() {
    let site = Site::start("d-time", &[]).await;
    let mut job = shell("ops", "trap 'exit 0' TERM; echo begins; while true; do sleep 0.1; done");
    // The time counts from the grant of resources on, so it covers a loaded engine that is slow to start the container.
    *job::task(&mut job, "Timeouts") = json!({"ExecutionTimeout": 10});
    let (state, execution) = site.run(&job).await;
    assert_eq!(state, "Failed");
    assert_eq!(execution.compute_state.message, "Execution timed out after 10s");
    assert_eq!(execution.run_output.stdout, "begins\n");
}
