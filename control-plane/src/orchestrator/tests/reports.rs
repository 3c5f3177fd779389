//! What nodes report.

use bacalhau_protocol::model::Event;
use bacalhau_protocol::time::Timestamp;

use super::*;
use crate::state::keys;

#[tokio::test]
async fn a_job_is_placed_when_it_is_submitted_and_leaves_memory_when_it_ends() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await.unwrap().job_id;
    let placed = executions(&orchestrator, &job).await;
    assert_eq!((placed.len(), placed[0].desired), (1, DesiredState::Running));
    assert_eq!(state(&orchestrator, &job).await, JobState::Running);
    assert!(report(&orchestrator, &placed[0], 1, ObservedState::Running).await);
    assert!(report(&orchestrator, &placed[0], 2, ObservedState::Completed).await);
    assert_eq!(state(&orchestrator, &job).await, JobState::Completed);
    assert!(orchestrator.world().get().unwrap().job(&job).is_none(), "ended jobs are not in memory");
    let history = history(&orchestrator, &job).await;
    let sequences: Vec<u64> = history.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, (1..=history.len() as u64).collect::<Vec<_>>(), "no gaps, no repeats");
    let again =
        orchestrator.observe(&placed[0].node_id, 3, observation(&placed[0].id, ObservedState::Failed));
    assert!(matches!(again.unwrap(), Observed::Unwanted(_)), "an end is the end");
}

#[tokio::test]
async fn an_ended_job_that_may_still_run_is_in_memory_again_after_a_restart() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let orchestrator = start(store.clone()).await;
    join(&orchestrator, "n1", false).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    orchestrator.stop(&job, "").await.unwrap();
    drop(orchestrator);

    let orchestrator = start(store.clone()).await;
    let wanted = orchestrator.world().get().unwrap().executions_on(&execution.node_id);
    assert_eq!(
        wanted.iter().map(|e| (&e.id, e.desired)).collect::<Vec<_>>(),
        [(&execution.id, DesiredState::Stopped)]
    );
    assert!(report(&orchestrator, &execution, 1, ObservedState::Stopped).await);
    assert_eq!(executions(&orchestrator, &job).await[0].observed, ObservedState::Stopped);
    let mark = store.get(keys::live(&job)).await.unwrap();
    assert!(mark.is_none() && orchestrator.world().get().unwrap().job(&job).is_none(), "now it is over");

    orchestrator.rerun(&job, None).await.unwrap();
    let again = start(store).await;
    assert!(again.world().get().unwrap().job(&job).is_some(), "and now it is in progress again");
}

fn event_at(at: Timestamp) -> Event {
    Event { topic: "Exec".to_owned(), message: "something".to_owned(), at, details: BTreeMap::new() }
}

#[tokio::test]
async fn the_events_of_an_execution_never_go_back_in_time() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    let (early, late) = (Timestamp(5), clock::now().after(Duration::from_secs(3600)));
    for (sequence, state, at) in [
        (1, ObservedState::Running, late),
        (2, ObservedState::Running, early),
        (3, ObservedState::Failed, late),
    ] {
        let mut observed = observation(&execution.id, state);
        observed.events = [at, early].map(event_at).into();
        orchestrator.observe(&execution.node_id, sequence, observed).unwrap();
    }
    let history = history(&orchestrator, &job).await;
    let of_executions = history.iter().filter(|entry| entry.execution_id.is_some());
    let times: Vec<_> = of_executions.map(|entry| entry.event.at).collect();
    assert!(times.len() >= 6 && times.is_sorted(), "{times:?}");
    assert!(*times.first().unwrap() > early && *times.last().unwrap() < late, "{times:?}");
}

#[tokio::test]
async fn a_node_speaks_for_its_own_executions_only() {
    let orchestrator = with_nodes(&["n1", "n2"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    let other = NodeId::parse(if execution.node_id.as_str() == "n1" { "n2" } else { "n1" }).unwrap();
    let observed = orchestrator.observe(&other, 1, observation(&execution.id, ObservedState::Completed));
    assert!(matches!(observed.unwrap(), Observed::Unwanted(_)));
}

#[tokio::test]
async fn the_longest_report_of_a_node_is_taken() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    let long = || "x".repeat(8192);
    let details: BTreeMap<_, _> = (0..16).map(|n| (format!("{n}{}", long()), long())).collect();
    let event = Event { topic: long(), message: long(), at: clock::now(), details };
    let published =
        SpecConfig { kind: "s3".to_owned(), params: format!(r#"{{"Key":"{}"}}"#, long().repeat(80)) };
    let observed = Observation {
        message: long(),
        events: vec![event; 32],
        published: Some(published),
        ..observation(&execution.id, ObservedState::Completed)
    };
    let Observed::Commit(commit) = orchestrator.observe(&execution.node_id, 1, observed).unwrap() else {
        panic!()
    };
    commit.durable().await.unwrap();
    assert_eq!(state(&orchestrator, &job).await, JobState::Completed);
    assert!(history(&orchestrator, &job).await.len() >= 32);
}

#[tokio::test]
async fn a_repeated_report_writes_nothing() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Service, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    assert!(report(&orchestrator, &execution, 5, ObservedState::Running).await);
    let before = (executions(&orchestrator, &job).await, orchestrator.reader().head(&job).await.unwrap());
    for sequence in [5, 4] {
        assert!(!report(&orchestrator, &execution, sequence, ObservedState::Running).await);
    }
    orchestrator.caught_up().await.unwrap();
    let after = (executions(&orchestrator, &job).await, orchestrator.reader().head(&job).await.unwrap());
    assert_eq!(before, after);
}
