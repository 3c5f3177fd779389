//! The orchestrator over the memory store: what callers and nodes see, and what a restart finds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, JobId, NodeId};
use bacalhau_protocol::model::{
    BuildInfo, DesiredState, Event, Execution, JobSpec, JobState, JobType, Membership, Network, NodeInfo,
    NodeUsage, Observation, ObservedState, Resources, ResourcesText, SpecConfig, Task, Timeouts,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::*;
use crate::clock;
use crate::state::{HistoryEntry, HistoryQuery, keys};
use crate::store::{Compacted, Entry, Error, MemoryStore, Range, Revision, Txn, Watch, prefix_end};

fn resources(cpu_millis: u64) -> Resources {
    Resources { cpu_millis, memory_bytes: cpu_millis, ..Resources::default() }
}

fn info(name: &str) -> NodeInfo {
    NodeInfo {
        node_id: NodeId::parse(name).unwrap(),
        labels: BTreeMap::new(),
        engines: vec!["wasm".to_owned()],
        engines_unavailable: BTreeMap::new(),
        publishers: Vec::new(),
        sources: Vec::new(),
        accepts_networked: false,
        capacity: resources(4000),
        max_job: resources(4000),
        build: BuildInfo::default(),
        engine_profile: String::new(),
    }
}

fn spec(job_type: JobType, count: u32) -> JobSpec {
    JobSpec {
        job_type,
        priority: 0,
        count,
        constraints: Vec::new(),
        meta: BTreeMap::new(),
        labels: BTreeMap::new(),
        task: Task {
            name: "main".to_owned(),
            engine: SpecConfig { kind: "wasm".to_owned(), params: String::new() },
            publisher: SpecConfig::default(),
            env: BTreeMap::new(),
            meta: BTreeMap::new(),
            inputs: Vec::new(),
            results: Vec::new(),
            resources_text: ResourcesText::default(),
            resources: resources(100),
            network: Network::default(),
            timeouts: Timeouts::default(),
        },
    }
}

fn submission(name: Option<&str>, spec: JobSpec) -> Submission {
    Submission {
        name: name.map(str::to_owned),
        namespace: "default".to_owned(),
        custom_id: None,
        spec,
        submitter: String::new(),
        force: false,
    }
}

async fn start(store: Arc<dyn Store>) -> Orchestrator {
    Orchestrator::start(store, Settings::default(), Duration::from_secs(3600), clock::now()).await.unwrap()
}

async fn with_nodes(names: &[&str]) -> Orchestrator {
    let orchestrator = start(Arc::new(MemoryStore::new())).await;
    for name in names {
        join(&orchestrator, name, false).await;
    }
    orchestrator
}

async fn join(orchestrator: &Orchestrator, name: &str, manual_approval: bool) {
    let info = info(name);
    let guest = Guest { info: &info, key: name, has_secret: true, manual_approval };
    let greeted = orchestrator.greet(&guest).unwrap();
    greeted.commit.unwrap().durable().await.unwrap();
    orchestrator.node_connected(&info.node_id, NodeUsage::default());
}

async fn executions(orchestrator: &Orchestrator, job: &JobId) -> Vec<Execution> {
    orchestrator.reader().executions(job).await.unwrap()
}

async fn history(orchestrator: &Orchestrator, job: &JobId) -> Vec<HistoryEntry> {
    let head = orchestrator.reader().head(job).await.unwrap().unwrap();
    let query = HistoryQuery { after: 0, limit: usize::MAX, version: None };
    orchestrator.reader().history(&head, &query, |_| true).await.unwrap().entries
}

async fn state(orchestrator: &Orchestrator, job: &JobId) -> JobState {
    orchestrator.reader().head(job).await.unwrap().unwrap().state
}

fn observation(id: &ExecutionId, state: ObservedState) -> Observation {
    Observation {
        execution_id: id.clone(),
        generation: 1,
        state,
        message: String::new(),
        events: Vec::new(),
        output: None,
        published: None,
    }
}

async fn report(
    orchestrator: &Orchestrator,
    execution: &Execution,
    sequence: u64,
    state: ObservedState,
) -> bool {
    let observed =
        orchestrator.observe(&execution.node_id, sequence, observation(&execution.id, state)).unwrap();
    match observed {
        Observed::Commit(commit) => commit.durable().await.is_ok(),
        Observed::Unwanted(_) => false,
    }
}

/// Runs evaluations until none is due.
fn settle(orchestrator: &Orchestrator) {
    while let Ok(job) = orchestrator.inner.broker.next(clock::now()) {
        orchestrator.evaluate_now(&job);
    }
}

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
    let execution = executions(&orchestrator, &job).await.remove(0);
    assert_eq!(execution.observed, ObservedState::Failed);
    assert!(execution.observed_message.contains("node has been rejected"));
    assert_eq!(state(&orchestrator, &job).await, JobState::Failed);
    orchestrator.change_node(&id, NodeChange::Delete, "").await.unwrap();
    assert!(orchestrator.nodes("").unwrap().is_empty());
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

/// The memory store on a disk that can be full.
struct FullDisk {
    store: MemoryStore,
    is_full: AtomicBool,
}

impl Store for FullDisk {
    fn get(&self, key: Bytes) -> BoxFuture<'static, Result<Option<Entry>, Error>> {
        self.store.get(key)
    }

    fn range(
        &self,
        start: Bytes,
        end: Bytes,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'static, Result<Range, Error>> {
        self.store.range(start, end, limit, reverse)
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'static, Result<Revision, TxnError>> {
        if self.is_full.load(Ordering::SeqCst) && !txn.puts.is_empty() {
            return Box::pin(async { Err(TxnError::Overloaded { waiting: 1 }) });
        }
        self.store.txn(txn)
    }

    fn watch(&self, from: Revision) -> Result<Watch, Compacted> {
        self.store.watch(from)
    }
}

#[tokio::test]
async fn a_change_that_could_not_be_written_is_not_acknowledged_and_leaves_no_trace() {
    let disk = Arc::new(FullDisk { store: MemoryStore::new(), is_full: AtomicBool::new(false) });
    let orchestrator = start(disk.clone()).await;
    join(&orchestrator, "n1", false).await;
    disk.is_full.store(true, Ordering::SeqCst);
    let refused = orchestrator.submit(submission(Some("x"), spec(JobType::Batch, 1))).await;
    assert!(matches!(refused, Err(SubmitError::Change(ChangeError::Store(_)))));
    disk.is_full.store(false, Ordering::SeqCst);
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

/// Jobs that are due for an evaluation.
fn due(orchestrator: &Orchestrator) -> Vec<JobId> {
    std::iter::from_fn(|| orchestrator.inner.broker.next(clock::now()).ok()).collect()
}

#[tokio::test]
async fn a_node_that_comes_concerns_only_jobs_it_may_help() {
    let orchestrator = with_nodes(&["n1"]).await;
    let on = |site: &str, job_type, count| {
        let constraints = bacalhau_protocol::selector::parse(&format!("site={site}")).unwrap();
        submission(Some(&format!("{site}-{count}")), JobSpec { constraints, ..spec(job_type, count) })
    };
    let submit = async |submission| orchestrator.submit(submission).await.unwrap().job_id;
    let placed = submit(submission(None, spec(JobType::Service, 1))).await;
    let short = submit(on("here", JobType::Service, 1)).await;
    let daemon = submit(on("here", JobType::Daemon, 0)).await;
    submit(on("elsewhere", JobType::Service, 1)).await;
    submit(on("elsewhere", JobType::Daemon, 0)).await;
    settle(&orchestrator);
    let labels = BTreeMap::from([("site".to_owned(), "here".to_owned())]);

    join(&orchestrator, "n2", false).await;
    assert_eq!(due(&orchestrator), [], "it suits nobody");
    let commit = orchestrator.node_informed(NodeInfo { labels, ..info("n2") }).unwrap().unwrap();
    commit.durable().await.unwrap();

    let concerned: BTreeSet<JobId> = due(&orchestrator).into_iter().collect();
    assert_eq!(concerned, BTreeSet::from([short.clone(), daemon]));
    orchestrator.evaluate_now(&short);
    assert_eq!(orchestrator.world().get().unwrap().waiting().len(), 1, "what is placed waits no more");
    orchestrator.node_connected(&info("n1").node_id, NodeUsage::default());
    assert_eq!(due(&orchestrator), [placed], "it runs there");
}

/// A batch job of which a node of these tests can hold one partition at a time.
fn large(name: &str, priority: i32, count: u32) -> Submission {
    let mut spec = spec(JobType::Batch, count);
    spec.priority = priority;
    spec.task.resources = resources(4000);
    submission(Some(name), spec)
}

/// Names of the jobs that have an execution now, in the order in which they got it.
async fn running(orchestrator: &Orchestrator, jobs: &[(&'static str, JobId)]) -> Vec<&'static str> {
    orchestrator.store().txn(Txn::new()).await.unwrap();
    let mut running = Vec::new();
    for (name, job) in jobs {
        running.extend(executions(orchestrator, job).await.iter().filter(|e| e.is_live()).map(|_| *name));
    }
    running
}

#[tokio::test]
async fn free_capacity_goes_to_the_highest_priority_and_then_to_the_oldest() {
    let orchestrator = with_nodes(&["n1"]).await;
    let mut jobs = Vec::new();
    for (name, priority, count) in
        [("many", 1, 3), ("old", 1, 1), ("low", 0, 1), ("urgent", 9, 1), ("new", 1, 1)]
    {
        jobs.push((name, orchestrator.submit(large(name, priority, count)).await.unwrap().job_id));
    }
    let mut order = Vec::new();
    for sequence in 1..=7 {
        settle(&orchestrator);
        let now = running(&orchestrator, &jobs).await;
        assert_eq!(now.len(), 1, "the node holds one at a time: {now:?}");
        order.push(now[0]);
        let job = &jobs.iter().find(|(name, _)| *name == now[0]).unwrap().1;
        let execution = executions(&orchestrator, job).await.into_iter().find(Execution::is_live).unwrap();
        report(&orchestrator, &execution, sequence, ObservedState::Completed).await;
    }
    assert_eq!(order, ["many", "urgent", "many", "many", "old", "new", "low"]);
}

#[tokio::test]
async fn priorities_hold_after_a_restart_and_when_a_node_joins() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let orchestrator = start(store.clone()).await;
    let mut jobs = Vec::new();
    for (name, priority) in [("low", -3), ("plain", 0), ("urgent", 2)] {
        jobs.push((name, orchestrator.submit(large(name, priority, 1)).await.unwrap().job_id));
    }
    let again = start(store).await;
    join(&again, "n1", false).await;
    settle(&again);
    assert_eq!(running(&again, &jobs).await, ["urgent"]);
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
