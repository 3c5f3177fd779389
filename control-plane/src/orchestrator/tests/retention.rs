//! What is forgotten, and what is kept.

use bytes::Bytes;

use super::*;
use crate::state::keys;
use crate::store::prefix_end;

#[tokio::test]
async fn ended_jobs_are_forgotten_after_their_retention_with_everything_of_theirs() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let settings = Settings::default();
    let orchestrator =
        Orchestrator::start(store.clone(), settings, Duration::ZERO, clock::now()).await.unwrap();
    join(&orchestrator, "n1", false).await;
    let before = store.range(Bytes::new(), Bytes::new(), 1000, false).await.unwrap().entries.len();
    let job = orchestrator.submit(submission(Some("old"), spec(JobType::Batch, 1))).await.unwrap().job_id;
    assert_eq!(orchestrator.forget_round().await.unwrap(), 0, "it is in progress");
    let execution = executions(&orchestrator, &job).await.remove(0);
    report(&orchestrator, &execution, 1, ObservedState::Completed).await;
    assert_eq!(orchestrator.forget_round().await.unwrap(), 1);
    let after = store.range(Bytes::new(), Bytes::new(), 1000, false).await.unwrap().entries;
    assert_eq!(after.len(), before, "{:?}", after.iter().map(|entry| &entry.key).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_past_of_a_service_that_goes_on_is_forgotten() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let settings = Settings { retry_first: Duration::ZERO, retry_max: Duration::ZERO, ..Settings::default() };
    let orchestrator =
        Orchestrator::start(store.clone(), settings, Duration::ZERO, clock::now()).await.unwrap();
    join(&orchestrator, "n1", false).await;
    let job = orchestrator.submit(submission(None, spec(JobType::Service, 1))).await.unwrap().job_id;
    for sequence in 1..=100 {
        settle(&orchestrator);
        let live = executions(&orchestrator, &job).await.into_iter().find(Execution::is_live).unwrap();
        report(&orchestrator, &live, sequence, ObservedState::Failed).await;
    }
    settle(&orchestrator);
    assert_eq!(executions(&orchestrator, &job).await.len(), 101);
    let told = history(&orchestrator, &job).await;
    orchestrator.trim_round(10).await.unwrap();

    let left = executions(&orchestrator, &job).await;
    assert!(left.len() == 1 && left[0].is_live(), "{left:?}");
    for prefix in [keys::all_made(&job, None), keys::every_touched(&job)] {
        let places = store.range(prefix.clone(), prefix_end(&prefix), 1000, false).await.unwrap();
        assert_eq!(places.entries.len(), 1, "{places:?}");
    }
    let kept = history(&orchestrator, &job).await;
    assert!((10..20).contains(&kept.len()), "{}", kept.len());
    assert!(told.ends_with(&kept), "the last ones are kept");
    assert!(report(&orchestrator, &left[0], 101, ObservedState::Running).await);
}

#[tokio::test]
async fn blobs_of_stored_jobs_and_results_are_in_use() {
    let orchestrator = with_nodes(&["n1"]).await;
    let mut spec = spec(JobType::Batch, 1);
    let url = format!("blob:sha256:{};text/plain;5", "0a".repeat(32));
    spec.task.inputs.push(bacalhau_protocol::model::InputSource {
        source: SpecConfig { kind: "inline".to_owned(), params: format!(r#"{{"URL": "{url}"}}"#) },
        alias: String::new(),
        target: "/data".to_owned(),
    });
    orchestrator.submit(submission(None, spec)).await.unwrap();
    let job = orchestrator.submit(submission(None, self::spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    let archive =
        bacalhau_protocol::spec::publisher::UrlDownload::of_execution(&job, &execution.id, [7; 32], 9);
    let published = Some(archive.to_config());
    let ended = Observation { published, ..observation(&execution.id, ObservedState::Completed) };
    let Observed::Commit(commit) = orchestrator.observe(&execution.node_id, 1, ended).unwrap() else {
        panic!()
    };
    commit.durable().await.unwrap();
    let referenced = orchestrator.reader().referenced_blobs().await.unwrap();
    assert_eq!(referenced.into_iter().collect::<Vec<_>>(), [[7; 32], [10; 32]]);
}

#[tokio::test]
async fn jobs_that_may_still_run_keep_nothing_else_and_not_for_ever() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let settings = Settings::default();
    let orchestrator = Orchestrator::start(store, settings, Duration::ZERO, clock::now()).await.unwrap();
    join(&orchestrator, "n1", false).await;
    let mut small = spec(JobType::Service, 1);
    small.task.resources = resources(1);
    let mut stopping = Vec::new();
    for _ in 0..120 {
        let job = orchestrator.submit(submission(None, small.clone())).await.unwrap().job_id;
        stopping.extend(executions(&orchestrator, &job).await);
        orchestrator.stop(&job, "").await.unwrap();
    }
    let job = orchestrator.submit(submission(None, spec(JobType::Batch, 1))).await.unwrap().job_id;
    let execution = executions(&orchestrator, &job).await.remove(0);
    report(&orchestrator, &execution, 1, ObservedState::Completed).await;

    assert_eq!(orchestrator.forget_round().await.unwrap(), 1, "the node is there and will say of the others");
    assert!(orchestrator.reader().head(&job).await.unwrap().is_none());
    assert!(report(&orchestrator, &stopping[0], 2, ObservedState::Stopped).await);
    orchestrator.node_disconnected(&stopping[0].node_id, "");
    assert_eq!(orchestrator.forget_round().await.unwrap(), 100);
    assert_eq!(orchestrator.forget_round().await.unwrap(), 20);
    let mut guard = orchestrator.world();
    let world = guard.get().unwrap();
    assert_eq!(world.jobs().count(), 0);
    assert_eq!(world.executions_on(&stopping[0].node_id).len(), 0);
}

#[tokio::test]
async fn what_older_versions_of_a_job_have_done_is_forgotten_and_what_the_current_one_has_done_is_not() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let settings = Settings::default();
    let orchestrator =
        Orchestrator::start(store.clone(), settings, Duration::ZERO, clock::now()).await.unwrap();
    join(&orchestrator, "n1", false).await;
    let job = orchestrator.submit(submission(Some("report"), spec(JobType::Batch, 2))).await.unwrap().job_id;
    let mut sequence = 0;
    for version in 1..=4 {
        let of_version = executions(&orchestrator, &job).await;
        let of_version = of_version.into_iter().filter(|execution| execution.job_version == version);
        // One of the fourth goes on.
        for execution in of_version.take(if version < 4 { 2 } else { 1 }) {
            sequence += 1;
            assert!(report(&orchestrator, &execution, sequence, ObservedState::Completed).await);
        }
        if version < 4 {
            orchestrator.rerun(&job, None).await.unwrap();
        }
    }
    orchestrator.trim_round(1000).await.unwrap();

    let left = executions(&orchestrator, &job).await;
    assert!(left.len() == 2 && left.iter().all(|execution| execution.job_version == 4), "{left:?}");
    let versions = orchestrator.reader().versions(&job, 0, 100).await.unwrap().versions;
    assert_eq!(versions.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [4]);
    let history = history(&orchestrator, &job).await;
    assert!(!history.is_empty() && history.iter().all(|entry| entry.job_version == 4), "{history:?}");
    let last = left.into_iter().find(Execution::is_live).unwrap();
    assert!(report(&orchestrator, &last, sequence + 1, ObservedState::Completed).await);
    assert_eq!(state(&start(store).await, &job).await, JobState::Completed);
}
