//! Nodes that ask, and what administrators decide.

use super::*;

#[tokio::test]
async fn pending_nodes_get_no_work_until_they_are_approved() {
    let orchestrator = start(Arc::new(MemoryStore::new())).await;
    join(&orchestrator, "n1", true).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Daemon, 0))).await.unwrap().job_id;
    settle(&orchestrator);
    assert!(executions(&orchestrator, &job).await.is_empty());
    let id = NodeId::parse("n1").unwrap();
    orchestrator.change_node(&id, NodeChange::Approve { replace_key: false }, "").await.unwrap();
    settle(&orchestrator);
    orchestrator.store().txn(Txn::new()).await.unwrap();
    assert_eq!(executions(&orchestrator, &job).await.len(), 1);
    let again = orchestrator.change_node(&id, NodeChange::Approve { replace_key: false }, "").await;
    assert!(matches!(again, Err(NodeError::Already { .. })));
}

#[tokio::test]
async fn a_rejected_nodes_work_ends_and_a_deleted_node_must_ask_again() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Ops, 0))).await.unwrap().job_id;
    let id = NodeId::parse("n1").unwrap();
    orchestrator.change_node(&id, NodeChange::Reject, "stolen").await.unwrap();
    settle(&orchestrator);
    orchestrator.caught_up().await.unwrap();
    let execution = executions(&orchestrator, &job).await.remove(0);
    assert_eq!(execution.observed, ObservedState::Failed);
    assert!(execution.observed_message.contains("node has been rejected"));
    assert_eq!(state(&orchestrator, &job).await, JobState::Failed);
    orchestrator.change_node(&id, NodeChange::Delete, "").await.unwrap();
    assert!(orchestrator.nodes("").await.unwrap().is_empty());
    let info = info("n1");
    let guest = Guest { info: &info, key: "n1", has_secret: false, manual_approval: false };
    assert!(matches!(orchestrator.greet(&guest).unwrap().greeting, Greeting::Refused(_)));
}

#[tokio::test]
async fn a_taken_over_node_id_needs_an_administrator() {
    let orchestrator = with_nodes(&["n1"]).await;
    let (id, info) = (NodeId::parse("n1").unwrap(), info("n1"));
    let guest = Guest { info: &info, key: "new", has_secret: true, manual_approval: false };
    let greeted = orchestrator.greet(&guest).unwrap();
    assert!(matches!(greeted.greeting, Greeting::Refused(_)));
    greeted.commit.unwrap().durable().await.unwrap();
    orchestrator.change_node(&id, NodeChange::Approve { replace_key: true }, "").await.unwrap();
    assert_eq!(orchestrator.greet(&guest).unwrap().greeting, Greeting::Welcome(Membership::Approved));
}

#[tokio::test]
async fn what_was_told_in_a_greeting_stands_until_an_administrator_decides_otherwise() {
    let orchestrator = with_nodes(&["n1"]).await;
    let id = NodeId::parse("n1").unwrap();
    assert!(orchestrator.stands(&id, "n1", Membership::Approved));
    assert!(!orchestrator.stands(&id, "other", Membership::Approved));
    assert!(!orchestrator.stands(&id, "n1", Membership::Pending));
    orchestrator.change_node(&id, NodeChange::Reject, "").await.unwrap();
    assert!(!orchestrator.stands(&id, "n1", Membership::Approved));
    orchestrator.change_node(&id, NodeChange::Delete, "").await.unwrap();
    assert!(!orchestrator.stands(&id, "n1", Membership::Rejected));
}
