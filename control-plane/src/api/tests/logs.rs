use bacalhau_protocol::ids::{ExecutionId, NodeId};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use bacalhau_protocol::model::{Observation, ObservedState};

use super::world::{JOBS, World, completed, job, only_execution};

/// All frames of a log stream, which must end with Close 1000.
async fn frames(world: &World, path: &str) -> Vec<Value> {
    let (mut socket, _) = connect_async(format!("ws://{}{path}", world.address())).await.unwrap();
    let mut frames = Vec::new();
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(Some(close)))) => {
                assert_eq!(close.code, CloseCode::Normal);
                return frames;
            }
            other => panic!("expected text or a close frame, got {other:?}"),
        }
    }
}

/// A node with the execution of a job of this type; the node, the job and the execution.
async fn placed(job_type: &str) -> (World, NodeId, String, String) {
    let world = World::start().await;
    let node = world.join("n-1", &[], false).await;
    let id = world.submit(job("a", job_type)).await;
    let execution = only_execution(&world, &id).await["ID"].as_str().unwrap().to_owned();
    (world, node, id, execution)
}

#[tokio::test]
async fn what_is_wrong_is_told_in_a_frame() {
    let world = World::start().await;
    let nobody = frames(&world, &format!("{JOBS}/nobody/logs?follow=true")).await;
    assert_eq!(nobody, [json!({"error": "job not found: nobody", "value": {"Type": 0, "Line": ""}})]);
    let id = world.submit(job("waits", "batch")).await;
    let waiting = frames(&world, &format!("{JOBS}/{id}/logs")).await;
    let why = waiting[0]["error"].as_str().unwrap();
    assert!(why.starts_with(&format!("no executions found for job {id}, which is ")), "{why}");
    assert_eq!(world.get(&format!("{JOBS}/{id}/logs")).await.status, 426);
}

#[tokio::test]
async fn a_task_that_never_ran_says_why_there_is_no_output() {
    let (world, node, id, execution) = placed("ops").await;
    let (state, message) = (ObservedState::Failed, "the image cannot be had".to_owned());
    let failed = Observation { state, message, output: None, ..completed(&execution, None, "") };
    world.observe(&node, 1, failed).await;
    let said = frames(&world, &format!("{JOBS}/{id}/logs")).await;
    let expected = format!(
        "no output of execution {execution} on node n-1 is held: it ended as Failed (the image cannot be had)"
    );
    assert_eq!(said[0]["error"], expected);
}

#[tokio::test]
async fn a_task_that_is_being_stopped_is_not_said_to_have_no_output() {
    let (world, node, id, execution) = placed("service").await;
    let running =
        Observation { state: ObservedState::Running, output: None, ..completed(&execution, None, "") };
    world.observe(&node, 1, running).await;
    world.send("DELETE", &format!("{JOBS}/{id}"), &[], None).await.ok();
    let said = frames(&world, &format!("{JOBS}/{id}/logs?execution_id={execution}")).await;
    assert!(said[0]["error"].as_str().unwrap().contains("node n-1 is not connected"), "{said:?}");
}

#[tokio::test]
async fn output_of_a_node_that_is_away_is_replayed() {
    let (world, node, id, execution) = placed("ops").await;
    let running = frames(&world, &format!("{JOBS}/{id}/logs")).await;
    assert!(running[0]["error"].as_str().unwrap().contains("node n-1 is not connected"), "{running:?}");

    let mut ended = completed(&execution, None, "hello\n");
    world.observe(&node, 1, ended.clone()).await;
    let replayed = frames(&world, &format!("{JOBS}/{id}/logs?execution_id={execution}")).await;
    assert_eq!(replayed, [json!({"value": {"Type": 1, "Line": "hello\n"}})]);

    let second = world.submit(job("b", "ops")).await;
    ended.execution_id =
        ExecutionId::parse(only_execution(&world, &second).await["ID"].as_str().unwrap()).unwrap();
    let output = ended.output.as_mut().unwrap();
    (output.stderr, output.stderr_truncated) = ("oops".into(), true);
    world.observe(&node, 2, ended).await;
    let replayed = frames(&world, &format!("{JOBS}/{second}/logs")).await;
    assert_eq!(replayed[1], json!({"value": {"Type": 2, "Line": "oops"}}));
    assert!(replayed[2]["error"].as_str().unwrap().starts_with("only the first 2048 bytes"), "{replayed:?}");
}
