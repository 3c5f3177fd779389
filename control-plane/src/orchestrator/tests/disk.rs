//! A disk that is behind, full, or failing.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::slow_disk::SlowDisk;
use super::*;
use crate::store::TxnError;

async fn on_slow_disk() -> (Arc<SlowDisk>, Orchestrator) {
    let disk = Arc::new(SlowDisk::new());
    let orchestrator = start(disk.clone()).await;
    join(&orchestrator, "n1", false).await;
    (disk, orchestrator)
}

#[tokio::test]
async fn what_finds_no_room_is_refused_and_changes_nothing() {
    let (disk, orchestrator) = on_slow_disk().await;
    let job = orchestrator.submit(submission(None, spec(JobType::Service, 1))).await.unwrap().job_id;
    let (execution, id) = (executions(&orchestrator, &job).await.remove(0), NodeId::parse("n1").unwrap());
    settle(&orchestrator);
    disk.set_full(true);
    let busy = |error: &ChangeError| matches!(error, ChangeError::Store(TxnError::Overloaded { .. }));
    let submitted = orchestrator.submit(submission(Some("x"), spec(JobType::Batch, 1))).await;
    assert!(matches!(submitted, Err(SubmitError::Change(error)) if busy(&error)));
    assert!(matches!(orchestrator.stop(&job, "").await, Err(StopError::Change(error)) if busy(&error)));
    let rejected = orchestrator.change_node(&id, NodeChange::Reject, "").await;
    assert!(matches!(rejected, Err(NodeError::Change(error)) if busy(&error)));
    let running = observation(&execution.id, ObservedState::Running);
    assert!(orchestrator.observe(&id, 1, running).is_err_and(|error| busy(&error)));
    {
        let mut guard = orchestrator.world();
        let world = guard.get().unwrap();
        assert_eq!(world.jobs().collect::<Vec<_>>(), [&job]);
        assert_eq!(world.job(&job).unwrap().head.state, JobState::Running);
        assert_eq!(world.job(&job).unwrap().executions[&execution.id].observed, ObservedState::Unheard);
        assert_eq!(world.node(&id).unwrap().membership, Membership::Approved);
    }
    let soon = clock::now().after(Duration::from_secs(2));
    assert_eq!(orchestrator.inner.broker.next(soon), Ok(job.clone()), "it is looked at again");
    disk.set_full(false);
    assert!(report(&orchestrator, &execution, 1, ObservedState::Running).await);
    assert!(matches!(orchestrator.stop(&job, "").await.unwrap(), Stopped::Now(_)));
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_changes_nothing() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Service, 1))).await.unwrap().job_id;
    let large = || "x".repeat(600 * 1024);
    let limit = |error: &ChangeError| matches!(error, ChangeError::Store(TxnError::Limit { .. }));
    assert!(
        matches!(orchestrator.stop(&job, &large()).await, Err(StopError::Change(error)) if limit(&error))
    );
    let mut info = info("n1");
    info.labels.insert("large".to_owned(), large());
    assert!(orchestrator.node_informed(info).is_err_and(|error| limit(&error)));
    orchestrator.caught_up().await.unwrap();
    assert!(orchestrator.world().get().is_ok(), "nothing has to be read again");
    assert!(matches!(orchestrator.stop(&job, "enough").await.unwrap(), Stopped::Now(_)));
}

fn failure() -> TxnError {
    TxnError::Storage(Arc::new(std::io::Error::other("no space left")))
}

#[tokio::test]
async fn a_change_that_could_not_be_written_is_not_acknowledged_and_leaves_no_trace() {
    let (disk, orchestrator) = on_slow_disk().await;
    disk.set_failure(Some(failure()));
    let refused = orchestrator.submit(submission(Some("x"), spec(JobType::Batch, 1))).await;
    assert!(matches!(refused, Err(SubmitError::Change(ChangeError::Store(TxnError::Storage(_))))));
    disk.set_failure(None);
    // The state is being read again; the next submission is taken once it is.
    let submitted = loop {
        match orchestrator.submit(submission(Some("x"), spec(JobType::Batch, 1))).await {
            Err(SubmitError::Change(ChangeError::Recovering)) => tokio::task::yield_now().await,
            outcome => break outcome.unwrap(),
        }
    };
    let placed = executions(&orchestrator, &submitted.job_id).await;
    assert_eq!(placed.len(), 1, "the node is still connected and has room");
    assert_eq!(orchestrator.world().get().unwrap().jobs().count(), 1);
}

#[tokio::test]
async fn a_store_that_takes_nothing_more_is_told_and_not_asked_again() {
    let (disk, orchestrator) = on_slow_disk().await;
    assert!(orchestrator.store_ended().now_or_never().is_none());
    disk.set_failure(Some(TxnError::Broken(Arc::new(std::io::Error::other("input/output error")))));
    orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await.unwrap_err();
    orchestrator.store_ended().await;
    disk.set_failure(None);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let refused = orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await;
    assert!(matches!(refused, Err(SubmitError::Change(ChangeError::Recovering))));
}
