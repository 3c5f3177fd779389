//! Submitting, changing and stopping jobs.

use super::*;

#[tokio::test]
async fn the_same_name_is_the_next_version_of_the_same_job() {
    let orchestrator = with_nodes(&["n1"]).await;
    let first = orchestrator.submit(submission(Some("web"), spec(JobType::Service, 1))).await.unwrap();
    let same = orchestrator.submit(submission(Some("web"), spec(JobType::Service, 1))).await;
    assert!(matches!(same, Err(SubmitError::Unchanged { .. })));
    let other_type = orchestrator.submit(submission(Some("web"), spec(JobType::Daemon, 0))).await;
    assert!(matches!(other_type, Err(SubmitError::TypeChanged { .. })));
    let second = orchestrator.submit(submission(Some("web"), spec(JobType::Service, 2))).await.unwrap();
    assert_eq!(second.job_id, first.job_id);
    assert_eq!(orchestrator.reader().head(&first.job_id).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn nobody_takes_the_id_of_another_job_for_a_name() {
    let orchestrator = with_nodes(&["n1"]).await;
    let unnamed = orchestrator.submit(submission(None, spec(JobType::Service, 1))).await.unwrap().job_id;
    let again =
        orchestrator.submit(submission(Some(unnamed.as_str()), spec(JobType::Service, 2))).await.unwrap();
    assert_eq!(again.job_id, unnamed, "its name is its id");
    let named = orchestrator.submit(submission(Some("web"), spec(JobType::Service, 1))).await.unwrap().job_id;
    let thief = orchestrator.submit(submission(Some(named.as_str()), spec(JobType::Batch, 1))).await;
    assert!(matches!(thief, Err(SubmitError::IdTaken(_))));
    let elsewhere = Submission {
        namespace: "other".to_owned(),
        ..submission(Some(unnamed.as_str()), spec(JobType::Batch, 1))
    };
    assert!(matches!(orchestrator.submit(elsewhere).await, Err(SubmitError::IdTaken(_))));
}

#[tokio::test]
async fn one_of_many_concurrent_submissions_of_a_name_makes_the_job() {
    let orchestrator = with_nodes(&["n1"]).await;
    let tries = (0..8).map(|_| orchestrator.submit(submission(Some("once"), spec(JobType::Service, 1))));
    let outcomes = futures_util::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_ended_job_is_updated_and_runs_again() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(Some("report"), spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    report(&orchestrator, &execution, 1, ObservedState::Completed).await;
    orchestrator.rerun(&job, None).await.unwrap();
    let second: Vec<_> = executions(&orchestrator, &job).await;
    let second = second.into_iter().find(|execution| execution.job_version == 2).unwrap();
    report(&orchestrator, &second, 2, ObservedState::Completed).await;
    assert_eq!(state(&orchestrator, &job).await, JobState::Completed);
}

#[tokio::test]
async fn stopping_is_final_and_may_be_repeated() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Service, 1))).await.unwrap().job_id;
    assert!(matches!(orchestrator.stop(&job, "enough").await.unwrap(), Stopped::Now(_)));
    assert_eq!(orchestrator.stop(&job, "enough").await.unwrap(), Stopped::Already);
    let execution = executions(&orchestrator, &job).await.remove(0);
    assert_eq!((execution.desired, execution.generation), (DesiredState::Stopped, 2));
    report(&orchestrator, &execution, 1, ObservedState::Stopped).await;
    assert_eq!(
        orchestrator.stop(&job, "enough").await.unwrap(),
        Stopped::Already,
        "also when it left memory"
    );
    let unknown = JobId::parse("j-unknown").unwrap();
    assert!(matches!(orchestrator.stop(&unknown, "").await, Err(StopError::NotFound(_))));
}

#[tokio::test]
async fn a_large_plan_is_written_in_chunks_and_whole_after_a_restart() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let orchestrator = start(store.clone()).await;
    let names: Vec<String> = (0..150).map(|n| format!("n{n}")).collect();
    for name in &names {
        join(&orchestrator, name, false).await;
    }
    let job = orchestrator.submit(submission(None, spec(JobType::Ops, 0))).await.unwrap().job_id;
    assert_eq!(executions(&orchestrator, &job).await.len(), 150);
    let again = start(store).await;
    settle(&again);
    assert_eq!(executions(&again, &job).await.len(), 150, "a restart adds nobody and loses nobody");
    assert!(again.reader().head(&job).await.unwrap().unwrap().targets_fixed);
}

#[tokio::test]
async fn a_plan_of_many_chunks_is_taken_and_its_history_has_no_gaps() {
    let orchestrator = start(Arc::new(MemoryStore::new())).await;
    let names: Vec<String> = (0..4000).map(|n| format!("{}-{n}", "gateway".repeat(12))).collect();
    for name in &names {
        join(&orchestrator, name, false).await;
    }
    let job = orchestrator.submit(submission(None, spec(JobType::Ops, 0))).await.unwrap().job_id;
    assert_eq!(executions(&orchestrator, &job).await.len(), names.len());
    let history = history(&orchestrator, &job).await;
    assert_eq!(history.len(), names.len() + 2, "submitted, requested on each, running");
    assert!(history.iter().zip(1..).all(|(entry, sequence)| entry.sequence == sequence));
}

#[tokio::test]
async fn an_update_of_a_service_replaces_a_part_at_a_time() {
    let orchestrator = with_nodes(&["n1"]).await;
    let of_version = |version: u64, count: u32| {
        let mut spec = spec(JobType::Service, count);
        spec.meta.insert("release".to_owned(), version.to_string());
        submission(Some("web"), spec)
    };
    let job = orchestrator.submit(of_version(1, 4)).await.unwrap().job_id;
    let mut sequence = 0;
    let mut say = async |execution: &Execution, state| {
        sequence += 1;
        report(&orchestrator, execution, sequence, state).await
    };
    for execution in executions(&orchestrator, &job).await {
        say(&execution, ObservedState::Running).await;
    }
    orchestrator.submit(of_version(2, 4)).await.unwrap();
    let mut left = 4;
    while left > 0 {
        let stopping: Vec<_> = executions(&orchestrator, &job).await;
        let stopping: Vec<_> = stopping.into_iter().filter(|e| !e.is_live() && e.may_be_running()).collect();
        assert_eq!(stopping.len(), 1, "one of four at a time");
        say(&stopping[0], ObservedState::Stopped).await;
        let fresh = executions(&orchestrator, &job).await;
        let fresh =
            fresh.iter().find(|e| e.job_version == 2 && e.observed == ObservedState::Unheard).unwrap();
        let still_up = |e: &&Execution| e.observed == ObservedState::Running && e.is_live();
        assert_eq!(executions(&orchestrator, &job).await.iter().filter(still_up).count(), 3);
        say(fresh, ObservedState::Running).await;
        left -= 1;
    }
    let live: Vec<_> = executions(&orchestrator, &job).await.into_iter().filter(Execution::is_live).collect();
    assert!(live.len() == 4 && live.iter().all(|execution| execution.job_version == 2));
}

#[tokio::test]
async fn a_refused_change_leaves_an_ended_job_out_of_memory() {
    let orchestrator = with_nodes(&["n1"]).await;
    let job = orchestrator.submit(submission(Some("report"), spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    report(&orchestrator, &execution, 1, ObservedState::Completed).await;
    let same = orchestrator.submit(submission(Some("report"), spec(JobType::Batch, 1))).await;
    assert!(matches!(same, Err(SubmitError::Unchanged { .. })));
    let other_type = orchestrator.submit(submission(Some("report"), spec(JobType::Ops, 0))).await;
    assert!(matches!(other_type, Err(SubmitError::TypeChanged { .. })));
    orchestrator.rerun(&job, Some(7)).await.unwrap_err();
    assert_eq!(orchestrator.world().get().unwrap().jobs().count(), 0);
}
