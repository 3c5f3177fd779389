//! Devices whose own clock is wrong by decades, as after a dead battery.

use std::path::{Path, PathBuf};
use std::process::Command;

use bacalhau_protocol::api::Connection;

use crate::harness::{Cluster, guests, job};

/// Names of devices, the seconds since 1970 that their clocks begin at, and the year that is.
const DEVICES: [(&str, &str, &str); 2] =
    [("edge-1970", "60", "1970-01-01T"), ("edge-2099", "4070908800", "2099-01-01T")];

/// Preloaded into an agent, this sets its wall clock and leaves the others alone.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t offset;

__attribute__((constructor)) static void begin(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    offset = (time_t)atoll(getenv("TEST_CLOCK_BEGINS")) - now.tv_sec;
}

int clock_gettime(clockid_t clock, struct timespec *to) {
    int result = (int)syscall(SYS_clock_gettime, clock, to);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) to->tv_sec += offset;
    return result;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
"#;

#[tokio::test]
async fn devices_in_1970_and_in_2099_join_and_work() {
    let mut cluster = Cluster::start(&[]).await;
    let clock = build_clock(&cluster.host());
    for (name, begins, _) in DEVICES {
        cluster.set_variable(name, "LD_PRELOAD", clock.as_os_str());
        cluster.set_variable(name, "TEST_CLOCK_BEGINS", begins);
        cluster.add_agent(name, &[]).await;
    }
    for (name, _, year) in DEVICES {
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
        cluster.log_has(name, year).await;
    }

    let ops = cluster.submit(&job::of("ops", &guests::hello("now"))).await;
    let ended = cluster.ended(&ops).await;

    assert_eq!(ended.state.state_type.as_str(), "Completed", "{:?}", ended.state);
    let executions = cluster.executions(&ops).await;
    assert_eq!(executions.len(), DEVICES.len());
    for execution in &executions {
        assert!(execution.modify_time >= ended.create_time, "{execution:?}");
        assert!(execution.modify_time <= ended.modify_time, "{execution:?}");
    }
    // After a restart they know the time from their journal, and are let in again.
    for (name, ..) in DEVICES {
        cluster.terminate(name).await;
        cluster.node_is(name, "APPROVED", Connection::Disconnected).await;
        cluster.start_again(name).await;
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
    }
    let again = cluster.submit(&job::of("ops", &guests::hello("again"))).await;
    assert_eq!(cluster.ended(&again).await.state.state_type.as_str(), "Completed");
}

pub(crate) fn build_clock(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, CLOCK).unwrap();
    let mut compiler = Command::new("cc");
    let status =
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(status.success(), "the C compiler ended with {status}");
    library
}
