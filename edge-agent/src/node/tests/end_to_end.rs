use std::fs;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{DesiredState, JobType, ObservedState};
use bacalhau_protocol::spec::publisher::UrlDownload;
use bacalhau_protocol::wire::Wish;
use bacalhau_protocol::wire::stream::LogItem;

use super::world::{published, wish, with_directory};
use super::{Module, World};
use crate::device_files::Files;
use crate::link::DeviceFiles;

fn id(name: &str) -> ExecutionId {
    ExecutionId::parse(name).unwrap()
}

fn with_timeout(mut wish: Wish, execution_s: u64) -> Wish {
    if let Some(work) = &mut wish.work {
        work.task.timeouts.execution_s = execution_s;
    }
    wish
}

#[tokio::test]
async fn a_task_runs_and_its_answer_comes_home() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    let hello = world.welcome().await;
    assert_eq!((hello.secret.as_deref(), hello.known.len()), (Some("secret"), 0));
    world.want(published(wish("e-1", JobType::Ops, Module::Exits(0)))).await;
    // However slow the machine, and so however many observations there are, each event is told once.
    let told = world.hub.observed_until(ObservedState::Completed).await;
    let events: Vec<_> =
        told.iter().flat_map(|told| &told.events).map(|event| event.message.as_str()).collect();
    assert_eq!(events, ["Running", "Completed successfully"]);
    let told = told.last().unwrap();
    let output = told.output.as_ref().unwrap();
    assert_eq!((output.stdout.as_str(), output.exit_code), ("hello", 0));

    let place = UrlDownload::parse(told.published.as_ref().unwrap()).unwrap();
    let files = Files::new(world.runner.clone(), Some(world.archives.clone()));
    let archive = files.results(id("e-1")).await.unwrap();
    assert_eq!((Some(archive.hash), Some(archive.size)), (place.sha256, place.size));
    let mut logs = files.logs(id("e-1"), false, true).await.unwrap();
    assert_eq!(logs.recv().await, Some(LogItem::Stdout("hello".into())));
    assert_eq!(logs.recv().await, Some(LogItem::End));
    assert!(files.logs(id("e-2"), false, false).await.is_err());
    world.node.shutdown().await;
}

#[tokio::test]
async fn an_exit_code_fails_the_execution_and_its_results_are_kept() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    world.want(published(wish("e-1", JobType::Batch, Module::Exits(3)))).await;
    let told = world.hub.observed_as(ObservedState::Failed).await;
    assert_eq!(told.message, "exit code 3");
    assert!(told.published.is_some());
    assert_eq!(told.output.unwrap().exit_code, 3);
}

#[tokio::test]
async fn a_refusal_reaches_the_control_plane() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    world.want(with_directory(wish("e-1", JobType::Ops, Module::Exits(0)), "/etc".as_ref())).await;
    let told = world.hub.observed_as(ObservedState::Refused).await;
    let reason = "rejected bid: this node does not accept the input for /in: volume /etc is not allowlisted";
    assert_eq!(told.message, reason);
}

#[tokio::test]
async fn more_than_the_journal_can_hold_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    let offer = |number: u32| {
        let mut offer = wish(&format!("e-{number}"), JobType::Ops, Module::Exits(0));
        offer.desired = DesiredState::Pending;
        if let Some(work) = &mut offer.work {
            work.task.meta.insert("map".into(), "x".repeat(400_000));
        }
        offer
    };
    let mut taken = 0;
    let told = loop {
        world.want(offer(taken)).await;
        let told = world.hub.observed().await;
        if told.state != ObservedState::Agreed {
            break told;
        }
        taken += 1;
    };
    assert_eq!(
        told.message,
        "rejected bid: this node does not hold more than 32 MiB of executions at a time"
    );
    assert_eq!(taken, 82);
    world.want(Wish { generation: 2, desired: DesiredState::Stopped, ..offer(0) }).await;
    world.hub.observed_as(ObservedState::Stopped).await;
    world.want(offer(taken + 1)).await;
    world.hub.observed_as(ObservedState::Agreed).await;
}

#[tokio::test]
async fn a_missing_input_fails_the_execution_by_name() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("host")).unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    let missing = data.path().canonicalize().unwrap().join("host/none");
    world.want(with_directory(wish("e-1", JobType::Ops, Module::Exits(0)), &missing)).await;
    let told = world.hub.observed_as(ObservedState::Failed).await;
    assert_eq!(
        told.message,
        format!("input for /in: volume {} does not exist on this node", missing.display())
    );
}

#[tokio::test]
async fn a_link_inside_a_mounted_directory_leads_nowhere() {
    let data = tempfile::tempdir().unwrap();
    let host = data.path().canonicalize().unwrap().join("host");
    fs::create_dir_all(host.join("open")).unwrap();
    fs::write(host.join("hidden"), "key").unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    fs::write(host.join("open/secret"), "not so secret").unwrap();
    world.want(with_directory(wish("e-1", JobType::Ops, Module::Reads), &host.join("open"))).await;
    world.hub.observed_as(ObservedState::Completed).await;

    fs::remove_file(host.join("open/secret")).unwrap();
    std::os::unix::fs::symlink(host.join("hidden"), host.join("open/secret")).unwrap();
    world.want(with_directory(wish("e-2", JobType::Ops, Module::Reads), &host.join("open"))).await;
    let told = world.hub.observed_as(ObservedState::Failed).await;
    assert!(told.message.starts_with("exit code "), "{}", told.message);
}

#[tokio::test]
async fn what_is_no_module_fails_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    let mut wish = wish("e-1", JobType::Ops, Module::Exits(0));
    if let Some(work) = &mut wish.work {
        work.task.inputs[0].source =
            bacalhau_protocol::spec::inline::source("application/wasm", b"text".to_vec());
    }
    world.want(wish).await;
    let told = world.hub.observed_as(ObservedState::Failed).await;
    assert!(!told.message.is_empty());
    assert_eq!(told.output, None, "it never ran");
}

#[tokio::test]
async fn a_task_that_loops_is_stopped_when_nobody_wants_it_and_its_log_can_be_followed() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    world.want(wish("e-1", JobType::Batch, Module::Loops)).await;
    world.hub.observed_as(ObservedState::Running).await;
    let files = Files::new(world.runner.clone(), None);
    let mut logs = files.logs(id("e-1"), false, true).await.unwrap();
    assert_eq!(logs.recv().await, Some(LogItem::Stdout(".".into())));
    let stop = Wish {
        generation: 2,
        desired: DesiredState::Stopped,
        reason: "job stopped".into(),
        ..wish("e-1", JobType::Batch, Module::Loops)
    };
    world.want(stop).await;
    let told = world.hub.observed_as(ObservedState::Stopped).await;
    assert_eq!(told.message, "job stopped");
    assert_eq!(logs.recv().await, Some(LogItem::End));
}

#[tokio::test]
async fn a_task_that_takes_too_long_fails() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    world.want(with_timeout(wish("e-1", JobType::Ops, Module::Loops), 1)).await;
    let told = world.hub.observed_as(ObservedState::Failed).await;
    assert_eq!(told.message, "Execution timed out after 1s");
    assert_eq!(told.output.unwrap().stdout, ".");
}

#[tokio::test]
async fn what_does_not_fit_waits_for_its_turn() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    for name in ["e-1", "e-2"] {
        world.want(wish(name, JobType::Batch, Module::Loops)).await;
        world.hub.observed_as(ObservedState::Running).await;
    }
    world.want(wish("e-3", JobType::Batch, Module::Exits(0))).await;
    let told = world.hub.observed_as(ObservedState::Accepted).await;
    assert_eq!(told.message, "waits for capacity on the node");
    let stop = wish("e-1", JobType::Batch, Module::Loops);
    world.want(Wish { generation: 2, desired: DesiredState::Stopped, ..stop }).await;
    world.hub.observed_as(ObservedState::Stopped).await;
    let told = world.hub.observed_as(ObservedState::Completed).await;
    assert_eq!(told.execution_id, id("e-3"));
    world.node.shutdown().await;
}

#[tokio::test]
async fn what_happens_while_offline_is_told_at_the_next_connection() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    world.hub.acknowledges = false;
    world.want(wish("e-1", JobType::Batch, Module::Exits(0))).await;
    let first = world.hub.observed_as(ObservedState::Completed).await;
    world.hub.cut().await;
    world.hub.acknowledges = true;
    let hello = world.welcome().await;
    assert_eq!(hello.known.len(), 1);
    let again = world.hub.observed().await;
    assert_eq!((again.state, again.output), (first.state, first.output));
    let events: Vec<_> = again.events.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(events, ["Running", "Completed successfully"], "nothing of it was acknowledged");
    world.hub.cut().await;
    assert_eq!(world.welcome().await.known, [], "acknowledged, and so forgotten");
}
