//! Guests that misbehave.

use std::fs;
use std::sync::Arc;

use bacalhau_protocol::engine_profile::ContentHash;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::super::{ArtifactSource, SignedArtifact};
use super::*;
use crate::executor::{Failure, FailureKind, StopReason};
use fixtures::{after_a_dot, command, hello};

fn failure(ended: Ended) -> Failure {
    match ended.outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn a_trap_is_named() {
    let node = Node::new();
    let ended = node.run(&node.task(&after_a_dot("unreachable"))).await;
    assert_eq!(ended.stdout, ".");
    assert_eq!(ended.outcome.exit_code(), 1);
    let failure = failure(ended);
    assert_eq!(failure.kind, FailureKind::Program);
    assert!(failure.message.contains("unreachable"), "{}", failure.message);
}

#[tokio::test]
async fn faults_of_the_processor_are_traps() {
    let node = Node::new();
    for (body, words) in [
        ("(drop (i32.load (i32.const 0x7fffffff)))", "out of bounds"),
        ("(drop (i32.div_s (i32.const 1) (i32.load (i32.const 60))))", "divide by zero"),
        ("(call $forever)", "call stack exhausted"),
    ] {
        let wat = command("(func $forever (call $forever))", body);
        let failure = failure(node.run(&node.task(&wat)).await);
        assert_eq!(failure.kind, FailureKind::Program);
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}

#[tokio::test]
async fn an_endless_loop_is_stopped() {
    let node = Node::new();
    let mut task = node.start(&node.task(&after_a_dot("(loop $again (br $again))"))).await.unwrap();
    first_output(&task).await;
    task.stopper().stop(StopReason::Timeout);
    task.stopper().stop(StopReason::Cancelled);
    assert_eq!(task.wait().await, Outcome::Stopped(StopReason::Timeout));
    assert_released(&task);
}

#[tokio::test]
async fn a_guest_asleep_for_an_hour_is_stopped() {
    let node = Node::new();
    // A subscription to the monotonic clock (1), 3600 seconds from now.
    let body = "(i32.store (i32.const 216) (i32.const 1))
         (i64.store (i32.const 224) (i64.const 3600000000000))
         (drop (call $poll (i32.const 200) (i32.const 304) (i32.const 1) (i32.const 8)))";
    let mut task = node.start(&node.task(&after_a_dot(body))).await.unwrap();
    first_output(&task).await;
    task.stopper().stop(StopReason::Cancelled);
    assert_eq!(task.wait().await, Outcome::Stopped(StopReason::Cancelled));
    assert_released(&task);
}

/// The guest is gone, and was not just given up: nobody can write its output any more.
fn assert_released(task: &RunningTask) {
    assert!(task.output().has_changed().is_err(), "the guest is still there");
}

#[tokio::test]
async fn a_short_sleep_ends_by_itself() {
    let node = Node::new();
    let body = "(i32.store (i32.const 216) (i32.const 1))
         (i64.store (i32.const 224) (i64.const 1000))
         (call $exit (i32.add (i32.const 10)
           (i32.add (call $poll (i32.const 200) (i32.const 304) (i32.const 1) (i32.const 8))
             (i32.load (i32.const 8)))))";
    assert_eq!(node.run(&node.task(&command("", body))).await.outcome, Outcome::Exited(11));
}

#[tokio::test]
async fn other_waits_are_the_librarys() {
    let node = Node::new();
    // Until the monotonic clock passes zero, which it has: one event.
    let absolute = "(i32.store (i32.const 216) (i32.const 1))
         (i32.store16 (i32.const 240) (i32.const 1))
         (call $exit (i32.add (i32.const 10)
           (i32.add (call $poll (i32.const 200) (i32.const 304) (i32.const 1) (i32.const 8))
             (i32.load (i32.const 8)))))";
    assert_eq!(node.run(&node.task(&command("", absolute))).await.outcome, Outcome::Exited(11));
    // No subscription at all is an error (28, EINVAL).
    let nothing = "(call $exit (call $poll (i32.const 200) (i32.const 304) (i32.const 0) (i32.const 8)))";
    assert_eq!(node.run(&node.task(&command("", nothing))).await.outcome, Outcome::Exited(28));
}

#[tokio::test]
async fn stopping_one_guest_leaves_the_others_alone() {
    let node = Node::new();
    let endless = node.task(&after_a_dot("(loop $again (br $again))"));
    let (mut one, mut other) = (node.start(&endless).await.unwrap(), node.start(&endless).await.unwrap());
    first_output(&one).await;
    first_output(&other).await;
    one.stopper().stop(StopReason::Cancelled);
    assert_eq!(one.wait().await, Outcome::Stopped(StopReason::Cancelled));
    assert_released(&one);
    assert!(other.output().has_changed().is_ok(), "the other ended as well");
    other.stopper().stop(StopReason::Shutdown);
    assert_eq!(other.wait().await, Outcome::Stopped(StopReason::Shutdown));
}

/// Part of the engine; tells when the engine is gone.
struct Canary(Option<oneshot::Sender<()>>);

impl ArtifactSource for Canary {
    fn fetch<'a>(
        &'a self,
        _module: ContentHash,
        _: &'a [u8],
        _profile: &'a EngineProfile,
    ) -> BoxFuture<'a, Result<SignedArtifact, Box<dyn std::error::Error + Send + Sync>>> {
        unreachable!("the node compiles for itself")
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.0.take().unwrap().send(()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_stuck_in_the_system_is_given_up_after_a_while() {
    let node = Node::new();
    fs::create_dir(node.path("pipes")).unwrap();
    let pipe = node.path("pipes/p");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let data = r#"(data (i32.const 100) ".") (data (i32.const 200) "p")"#;
    let body = "(call $print (i32.const 100) (i32.const 1))
         (drop (call $open (i32.const 3) (i32.const 200) (i32.const 1) (i32.const 0) (i64.const 2)))
         (; what was printed, again, with nothing before it where a guest looks whether it must stop ;)
         (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
         (loop $again (br $again))";
    let mut run = node.task(&command(data, body));
    run.inputs.push(mount(node.path("pipes"), "/pipes", Access::ReadOnly));
    let mut task = node.start(&run).await.unwrap();
    first_output(&task).await;
    task.stopper().stop(StopReason::Cancelled);
    assert_eq!(task.wait().await, Outcome::Stopped(StopReason::Cancelled));
    fs::remove_dir_all(node.path("results")).unwrap();
    // Somebody opens the other end; then the guest is gone as well, without another word.
    let _other_end = fs::OpenOptions::new().read(true).write(true).open(pipe).unwrap();
    let mut output = task.output();
    while output.changed().await.is_ok() {}
    assert_eq!(*output.borrow(), OutputSize { stdout_bytes: 1, ..OutputSize::default() });
    assert!(!node.path("results").exists());
}

#[tokio::test]
async fn giving_up_a_start_leaves_nothing_running() {
    let (report, gone) = oneshot::channel();
    let central =
        CentralCompiler { public_key: Arc::new(|| Some([0; 32])), source: Arc::new(Canary(Some(report))) };
    let node = Node::with_compiler(LocalCompiler::InProcess, Some(central));
    let task = node.task(&after_a_dot("(loop $again (br $again))"));
    let mut start = Box::pin(node.start(&task));
    // The first poll launches the thread; the future is dropped before it answers.
    assert!(futures_util::poll!(&mut start).is_pending());
    drop(start);
    drop(node);
    // The guest's life and its watch hold the engine until they end.
    gone.await.unwrap();
}

#[tokio::test]
async fn too_much_memory_ends_the_guest() {
    let node = Node::new();
    let mut task = node.task(&after_a_dot("(loop $again (drop (memory.grow (i32.const 16))) (br $again))"));
    task.memory_limit_bytes = Some(8 << 20);
    let failure = failure(node.run(&task).await);
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.message.starts_with("memory limit exceeded"), "{}", failure.message);
    assert!(failure.message.contains("8388608"), "{}", failure.message);
}

#[tokio::test]
async fn a_module_that_starts_above_its_limit_does_not_run() {
    let node = Node::new();
    let mut task = node.task(r#"(module (memory 100) (func (export "_start")))"#);
    task.memory_limit_bytes = Some(1 << 20);
    assert_eq!(failure(node.run(&task).await).kind, FailureKind::OutOfMemory);
}

#[tokio::test]
async fn tables_count_as_memory() {
    let node = Node::new();
    let wat = r#"(module (table 0 funcref)
        (func (export "_start") (drop (table.grow (ref.null func) (i32.const 5000000)))))"#;
    let mut task = node.task(wat);
    task.memory_limit_bytes = Some(1 << 20);
    assert_eq!(failure(node.run(&task).await).kind, FailureKind::OutOfMemory);
}

#[tokio::test]
async fn other_files_are_not_modules() {
    let node = Node::new();
    let script = node.task_of_bytes(b"#!/bin/sh\necho hello\n");
    assert!(node.refusal(&script).await.contains("not a WebAssembly module"));
    let component = node.task_of_bytes(b"\0asm\x0d\0\x01\0");
    assert!(node.refusal(&component).await.contains("component"));
    let truncated = &fixtures::assemble(&hello("x"))[..40];
    assert!(matches!(node.start(&node.task_of_bytes(truncated)).await, Err(StartError::Task(_))));
}

#[tokio::test]
async fn a_damaged_module_never_panics() {
    let node = Node::new();
    let module = fixtures::assemble(&hello("x"));
    // One byte changed at a time, spread over the whole module: refused, run or trapped, but always answered.
    for at in (8..module.len()).step_by(module.len() / 24) {
        let mut damaged = module.clone();
        damaged[at] ^= 0x55;
        if let Ok(mut task) = node.start(&node.task_of_bytes(&damaged)).await {
            task.stopper().stop(StopReason::Cancelled);
            task.wait().await;
        }
    }
}

#[tokio::test]
async fn bad_parameters_say_what_was_expected() {
    let node = Node::new();
    let mut task = node.task(&hello("x"));
    for (params, words) in [
        ("{}", "EntryModule"),
        ("[", "Params"),
        (r#"{"EntryModule": "main", "Entrypoint": "run"}"#, "it exports _start"),
        (r#"{"EntryModule": "other"}"#, "\"other\""),
    ] {
        task.params = params.to_owned();
        let refusal = node.refusal(&task).await;
        assert!(refusal.contains(words), "{params}: {refusal}");
    }
}
