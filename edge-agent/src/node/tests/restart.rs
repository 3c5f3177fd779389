use std::path::Path;

use bacalhau_protocol::model::{DesiredState, JobType, ObservedState};
use bacalhau_protocol::wire::Wish;

use super::world::{copy, wish};
use super::{Module, World};
use crate::journal::Journal;

/// A node that was running `job_type`, and what a power cut left of its data directory.
async fn cut_off_while_running(job_type: JobType, data: &Path, left: &Path) {
    let mut world = World::start(data);
    world.welcome().await;
    world.want(wish("e-1", job_type, Module::Loops)).await;
    world.hub.observed_as(ObservedState::Running).await;
    copy(data, left);
    world.node.shutdown().await;
}

#[tokio::test]
async fn after_a_power_cut_an_ops_task_has_failed_and_a_daemon_runs_again() {
    for (job_type, then) in [(JobType::Ops, ObservedState::Failed), (JobType::Daemon, ObservedState::Running)]
    {
        let (data, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        cut_off_while_running(job_type, data.path(), left.path()).await;
        let mut world = World::start(left.path());
        assert_eq!(world.welcome().await.known.len(), 1);
        let told = world.hub.observed_as(then).await;
        if then == ObservedState::Failed {
            assert_eq!(told.message, "interrupted by agent restart");
        }
        world.node.shutdown().await;
    }
}

#[tokio::test]
async fn a_daemon_comes_back_without_any_link() {
    let (data, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cut_off_while_running(JobType::Daemon, data.path(), left.path()).await;
    // What the first run wrote would be taken for an answer of the second.
    std::fs::remove_dir_all(left.path().join("executions/results")).unwrap();
    let world = World::start(left.path());
    let id = bacalhau_protocol::ids::ExecutionId::parse("e-1").unwrap();
    let results = world.runner.directories().results(&id);
    let wanted = crate::logs::Wanted { tail: false, follow: true };
    let mut logs = world.runner.outputs().open(&id, results, wanted).await.unwrap();
    let expected = bacalhau_protocol::wire::stream::LogItem::Stdout(".".into());
    assert_eq!(logs.recv().await, Some(expected));
    world.node.shutdown().await;
}

#[tokio::test]
async fn an_agent_that_is_stopped_fails_its_ops_task_and_starts_its_daemon_next_time() {
    for (job_type, then) in
        [(JobType::Batch, ObservedState::Failed), (JobType::Service, ObservedState::Running)]
    {
        let data = tempfile::tempdir().unwrap();
        let mut world = World::start(data.path());
        world.welcome().await;
        world.hub.acknowledges = false;
        world.want(wish("e-1", job_type, Module::Loops)).await;
        world.hub.observed_as(ObservedState::Running).await;
        world.node.shutdown().await;
        let mut world = World::start(data.path());
        world.welcome().await;
        world.hub.observed_as(then).await;
        world.node.shutdown().await;
    }
}

#[tokio::test]
async fn a_daemon_stopped_before_a_reboot_stays_stopped() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::start(data.path());
    world.welcome().await;
    world.hub.acknowledges = false;
    world.want(wish("e-1", JobType::Daemon, Module::Loops)).await;
    world.hub.observed_as(ObservedState::Running).await;
    let stop = wish("e-1", JobType::Daemon, Module::Loops);
    world.want(Wish { generation: 2, desired: DesiredState::Stopped, ..stop }).await;
    world.hub.observed_as(ObservedState::Stopped).await;
    world.node.shutdown().await;
    let mut world = World::start(data.path());
    world.welcome().await;
    world.hub.observed_as(ObservedState::Stopped).await;
    world.node.shutdown().await;
}

#[tokio::test]
async fn sequences_are_never_used_twice_and_what_was_acknowledged_leaves_the_journal() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::start(data.path());
    world.welcome().await;
    world.want(wish("e-1", JobType::Ops, Module::Exits(0))).await;
    world.hub.observed_as(ObservedState::Completed).await;
    // The acknowledgement is heard before the next answer is given.
    world.want(Wish { desired: DesiredState::Stopped, ..wish("e-2", JobType::Ops, Module::Exits(0)) }).await;
    world.hub.observed_as(ObservedState::Stopped).await;
    world.node.shutdown().await;
    let (journal, recovered) = Journal::open(&data.path().join("journal")).unwrap();
    assert_eq!(recovered.executions, []);
    assert!(recovered.facts.sequence_reserved >= 1024);
    assert_eq!(recovered.facts.artifact_key, Some([7; 32]));
    journal.close();
}
