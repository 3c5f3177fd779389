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

/// Waits for the disk, and has not been answered so far.
fn must_wait<T>(answer: &mut std::pin::Pin<Box<impl Future<Output = T>>>) {
    assert!(answer.now_or_never().is_none(), "it is not durable");
}

async fn a_batch_job(orchestrator: &Orchestrator) -> (JobId, Execution) {
    let job = orchestrator.submit(submission(Some("report"), spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(orchestrator, &job).await.remove(0);
    (job, execution)
}

fn completes(orchestrator: &Orchestrator, execution: &Execution) {
    let end = observation(&execution.id, ObservedState::Completed);
    assert!(matches!(orchestrator.observe(&execution.node_id, 1, end), Ok(Observed::Commit(_))));
}

#[tokio::test]
async fn an_end_on_its_way_to_the_disk_is_not_lost_when_the_job_is_changed() {
    for is_rerun in [true, false] {
        let (disk, orchestrator) = on_slow_disk().await;
        let (job, execution) = a_batch_job(&orchestrator).await;
        disk.hold();
        completes(&orchestrator, &execution);
        let mut change = Box::pin(async {
            if is_rerun {
                return orchestrator.rerun(&job, None).await.unwrap();
            }
            let update = Submission { force: true, ..submission(Some("report"), spec(JobType::Batch, 1)) };
            orchestrator.submit(update).await.unwrap()
        });
        must_wait(&mut change);
        disk.release();
        change.await;

        let again = start(disk).await;
        let head = again.reader().head(&job).await.unwrap().unwrap();
        assert_eq!((head.version, head.ended), (2, None));
        assert!(again.world().get().unwrap().job(&job).is_some(), "a restart finds it in progress");
        let ended = again.reader().ended_before(Timestamp(i64::MAX), None, 10).await.unwrap();
        assert!(ended.is_empty(), "{ended:?}");
        let stored = again.reader().execution(&job, &execution.id).await.unwrap().unwrap();
        assert_eq!(stored.observed, ObservedState::Completed);
        let history = history(&again, &job).await;
        let sequences: Vec<u64> = history.iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, (1..=head.history).collect::<Vec<_>>(), "nothing was written over");
        let ends = history.iter().filter(|entry| entry.event.message == "Completed");
        assert_eq!(ends.count(), 1, "{history:?}");
    }
}

#[tokio::test]
async fn a_job_whose_end_is_on_its_way_to_the_disk_counts_as_ended() {
    let (disk, orchestrator) = on_slow_disk().await;
    let (job, execution) = a_batch_job(&orchestrator).await;
    disk.hold();
    completes(&orchestrator, &execution);
    let mut stopped = Box::pin(orchestrator.stop(&job, ""));
    must_wait(&mut stopped);
    disk.release();
    assert!(matches!(stopped.await, Err(StopError::Ended(JobState::Completed))));
}

#[tokio::test]
async fn nobody_hears_of_a_stop_that_is_not_durable() {
    let (disk, orchestrator) = on_slow_disk().await;
    let job = orchestrator.submit(submission(None, spec(JobType::Service, 1))).await.unwrap().job_id;
    disk.hold();
    let mut first = Box::pin(orchestrator.stop(&job, ""));
    let mut second = Box::pin(orchestrator.stop(&job, ""));
    must_wait(&mut first);
    must_wait(&mut second);
    disk.release();
    assert!(matches!(first.await.unwrap(), Stopped::Now(_)));
    assert_eq!(second.await.unwrap(), Stopped::Already);
}

#[tokio::test]
async fn nobody_hears_of_a_job_that_is_not_durable() {
    let (disk, orchestrator) = on_slow_disk().await;
    disk.hold();
    let mut first = Box::pin(orchestrator.submit(submission(Some("web"), spec(JobType::Service, 1))));
    let mut second = Box::pin(orchestrator.submit(submission(Some("web"), spec(JobType::Service, 1))));
    must_wait(&mut first);
    must_wait(&mut second);
    disk.release();
    first.await.unwrap();
    assert!(matches!(second.await, Err(SubmitError::Unchanged { .. })));
}

#[tokio::test]
async fn an_id_chosen_twice_at_one_time_is_one_job() {
    let (disk, orchestrator) = on_slow_disk().await;
    let chosen = |count| Submission {
        custom_id: Some(JobId::parse("chosen").unwrap()),
        ..submission(None, spec(JobType::Service, count))
    };
    disk.hold();
    let mut first = Box::pin(orchestrator.submit(chosen(1)));
    let mut second = Box::pin(orchestrator.submit(chosen(2)));
    must_wait(&mut first);
    must_wait(&mut second);
    disk.release();
    assert_eq!(first.await.unwrap().job_id, second.await.unwrap().job_id);
    let id = JobId::parse("chosen").unwrap();
    assert_eq!(orchestrator.reader().head(&id).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn nobody_sees_an_approval_that_is_not_durable() {
    let (disk, orchestrator) = on_slow_disk().await;
    join(&orchestrator, "n2", true).await;
    let id = NodeId::parse("n2").unwrap();
    disk.hold();
    let approve = NodeChange::Approve { replace_key: false };
    let mut approved = Box::pin(orchestrator.change_node(&id, approve, ""));
    must_wait(&mut approved);
    let mut shown = Box::pin(orchestrator.nodes("n2"));
    must_wait(&mut shown);
    disk.release();
    approved.await.unwrap();
    assert_eq!(shown.await.unwrap()[0].record.membership, Membership::Approved);
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
