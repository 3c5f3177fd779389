use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{DesiredState, JobType, ObservedState};
use bacalhau_protocol::wire::Wish;
use futures_util::future::BoxFuture;

use super::world::{copy, wish};
use super::{Module, World};
use crate::config;
use crate::execution::{Phase, Record};
use crate::executor::{Adopted, Availability, Executor, RunningTask, StartError, TaskRun};
use crate::journal::{Change, Journal};

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
async fn what_happened_before_the_first_welcome_of_a_process_has_the_right_time() {
    for (job_type, then) in [(JobType::Ops, ObservedState::Failed), (JobType::Daemon, ObservedState::Running)]
    {
        let (data, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        cut_off_while_running(job_type, data.path(), left.path()).await;
        let mut world = World::start(left.path());
        let week = Duration::from_secs(7 * 86_400);
        world.hub.now = world.hub.now.after(week);
        world.welcome().await;
        let events = world.hub.observed_as(then).await.events;
        // The agent was started less than a day before.
        let earliest = world.hub.now.0 - 86_400_000_000_000;
        assert!(!events.is_empty() && events.iter().all(|event| event.at.0 > earliest), "{events:?}");
        assert!(events.is_sorted_by_key(|event| event.at), "{events:?}");
        world.node.shutdown().await;
    }
}

#[tokio::test]
async fn what_an_earlier_process_saw_end_keeps_its_time() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::start(data.path());
    world.welcome().await;
    world.hub.acknowledges = false;
    world.want(wish("e-1", JobType::Ops, Module::Exits(0))).await;
    let told = world.hub.observed_as(ObservedState::Completed).await.events;
    world.node.shutdown().await;
    let mut world = World::start(data.path());
    world.hub.now = world.hub.now.after(Duration::from_secs(86_400));
    world.welcome().await;
    let again = world.hub.observed_as(ObservedState::Completed).await.events;
    assert_eq!(again.last(), told.last());
    world.node.shutdown().await;
}

#[tokio::test]
async fn a_daemon_comes_back_without_any_link_though_the_operators_probe_cannot_be_asked() {
    let (data, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cut_off_while_running(JobType::Daemon, data.path(), left.path()).await;
    // What the first run wrote would be taken for an answer of the second.
    std::fs::remove_dir_all(left.path().join("executions/results")).unwrap();
    let probe = Some("exit 1".to_owned());
    let policy = config::Admission { probe_exec: probe, ..config::Admission::default() };
    let world = World::start_with(left.path(), policy, Vec::new());
    let id = ExecutionId::parse("e-1").unwrap();
    let results = world.runner.directories().results(&id);
    let wanted = crate::logs::Wanted { tail: false, follow: true };
    let mut logs = world.runner.outputs().open(&id, results, wanted).await.unwrap();
    let expected = bacalhau_protocol::wire::stream::LogItem::Stdout(".".into());
    assert_eq!(logs.recv().await, Some(expected));
    world.node.shutdown().await;
}

#[tokio::test]
async fn what_ended_in_a_power_cut_is_told_above_what_the_control_plane_has() {
    let (data, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    cut_off_while_running(JobType::Ops, data.path(), left.path()).await;
    let mut world = World::start(left.path());
    // More than the journal ever reserved: what was reserved later was never written.
    world.hub.sequence_floor = 1_000_000;
    world.welcome().await;
    world.hub.observed_as(ObservedState::Failed).await;
    assert_eq!(world.hub.last_sequence, 1_000_001);
    world.node.shutdown().await;
}

#[tokio::test]
async fn what_a_cut_off_clean_up_left_is_removed_at_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::start(data.path());
    world.welcome().await;
    world.hub.acknowledges = false;
    world.want(wish("e-1", JobType::Ops, Module::Exits(0))).await;
    world.hub.observed_as(ObservedState::Completed).await;
    world.node.shutdown().await;
    let left = data.path().join("executions/work/e-1");
    std::fs::create_dir_all(&left).unwrap();
    let mut world = World::start(data.path());
    assert!(!left.exists());
    world.welcome().await;
    world.hub.observed_as(ObservedState::Completed).await;
    world.node.shutdown().await;
}

/// An engine whose tasks outlive the agent, and that notes what it is asked.
#[derive(Default)]
struct Outliving(Mutex<Vec<String>>);

impl Outliving {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Executor for Outliving {
    fn kind(&self) -> &'static str {
        "outliving"
    }

    fn availability(&self) -> BoxFuture<'_, Availability> {
        Box::pin(std::future::ready(Availability::Ready))
    }

    fn start(&self, _: TaskRun) -> BoxFuture<'_, Result<RunningTask, StartError>> {
        Box::pin(std::future::pending())
    }

    fn outlives_agent(&self) -> bool {
        true
    }

    fn adopt(&self, run: TaskRun) -> BoxFuture<'_, Result<Option<Adopted>, StartError>> {
        self.note(format!("take over {}", run.execution_id));
        Box::pin(std::future::ready(Ok(None)))
    }

    fn keep_only(&self, executions: &BTreeSet<String>) {
        self.note(format!("keep {executions:?}"));
    }

    fn clean_up<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn engines_hear_what_is_left_before_anything_is_taken_over() {
    let data = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&data.path().join("journal")).unwrap();
    for name in ["e-1", "e-2"] {
        let mut work = crate::execution::fixtures::work(JobType::Ops);
        work.task.engine.kind = "outliving".into();
        let record = Record {
            execution_id: ExecutionId::parse(name).unwrap(),
            generation: 1,
            desired: DesiredState::Running,
            work,
            phase: Phase::Started,
        };
        journal.write_some_time(vec![Change::Put(Box::new(record))]);
    }
    journal.close();
    let engine = Arc::new(Outliving::default());
    let engines: Vec<Arc<dyn Executor>> = vec![Arc::<Outliving>::clone(&engine)];
    let mut world = World::start_with(data.path(), config::Admission::default(), engines);
    world.welcome().await;
    for _ in 0..2 {
        world.hub.observed_as(ObservedState::Failed).await;
    }
    let asked = engine.0.lock().unwrap().clone();
    assert_eq!(asked, [r#"keep {"e-1", "e-2"}"#, "take over e-1", "take over e-2"]);
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
async fn what_was_acknowledged_leaves_the_journal() {
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
    assert_eq!(recovered.facts.artifact_key, Some([7; 32]));
    journal.close();
}
