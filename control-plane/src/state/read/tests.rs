//! Pages against a slow, obvious model, while executions come, change and get new versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use bacalhau_protocol::api::decode::{Defaults, decode};
use bacalhau_protocol::ids::{EvaluationId, ExecutionId, JobId, NodeId};
use bacalhau_protocol::model::{
    DesiredState, Event, Execution, Job, JobSpec, JobState, JobType, ObservedState, Resources,
};
use bacalhau_protocol::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::{ExecutionOrder, ExecutionQuery, HistoryQuery, Reader};
use crate::state::{Draft, HistoryEntry, World};
use crate::store::{MemoryStore, Store};

/// What happens to the one job there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This many executions are made.
    Make(u8),
    /// One of the executions there are changes.
    Touch(u8),
    /// The job gets its next version.
    Update,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40_u8).prop_map(Step::Make),
        8 => any::<u8>().prop_map(Step::Touch),
        1 => Just(Step::Update),
    ]
}

/// A store, and what must be in it.
struct Model {
    store: Arc<dyn Store>,
    world: World,
    job: JobId,
    executions: BTreeMap<ExecutionId, Execution>,
    history: Vec<HistoryEntry>,
    now: i64,
}

impl Model {
    async fn new() -> Self {
        let job = JobId::parse("j-1").unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut model = Self {
            store,
            world: World::default(),
            job: job.clone(),
            executions: BTreeMap::new(),
            history: Vec::new(),
            now: 1,
        };
        let draft = Draft::create(head(&job), Arc::new(spec()), Timestamp(1));
        model.commit(draft, "Job submitted", None).await;
        model
    }

    async fn take(&mut self, step: Step) {
        self.now += 1;
        let mut draft = Draft::change(self.world.job(&self.job).unwrap(), Timestamp(self.now));
        let mut of = None;
        match step {
            Step::Make(count) => {
                for index in 0..count {
                    draft.put_execution(self.fresh(index, draft.head.version));
                }
            }
            Step::Touch(index) => {
                let Some(old) = self.executions.values().nth(usize::from(index)) else { return };
                let observed = ObservedState::Running;
                of = Some(old.id.clone());
                draft.put_execution(Execution { observed, ..old.clone() });
            }
            Step::Update => draft.next_version(Arc::new(spec()), ""),
        }
        self.commit(draft, "something", of).await;
    }

    async fn commit(&mut self, mut draft: Draft, message: &str, of: Option<ExecutionId>) {
        let event = Event {
            topic: "Test".to_owned(),
            message: message.to_owned(),
            at: draft.now(),
            details: BTreeMap::new(),
        };
        for _ in 0..3 {
            draft.record(of.clone(), event.clone());
            self.history.push(HistoryEntry {
                sequence: draft.head.history,
                job_version: draft.head.version,
                execution_id: of.clone(),
                event: event.clone(),
            });
        }
        for execution in draft.changed() {
            self.executions.insert(execution.id.clone(), execution.clone());
        }
        for txn in self.world.txns(&draft) {
            self.store.txn(txn).await.unwrap();
        }
        self.world.apply(&draft);
    }

    fn fresh(&self, index: u8, version: u64) -> Execution {
        let node = NodeId::parse(&format!("n{index}-{}", self.now)).unwrap();
        Execution {
            id: ExecutionId::derive(&self.job, version, &node, 0, 0),
            job_id: self.job.clone(),
            job_version: version,
            node_id: node,
            evaluation_id: EvaluationId::parse("ev").unwrap(),
            partition: 0,
            attempt: 0,
            resources: Resources::default(),
            desired: DesiredState::Running,
            desired_message: String::new(),
            generation: 1,
            observed: ObservedState::Unheard,
            observed_message: String::new(),
            observed_sequence: 0,
            published: None,
            output: None,
            revision: 0,
            created: Timestamp(self.now),
            modified: Timestamp(self.now),
        }
    }

    fn head(&self) -> Job {
        Job::clone(&self.world.job(&self.job).unwrap().head)
    }

    fn reader(&self) -> Reader {
        Reader::new(self.store.clone())
    }

    /// What all pages of `query` together must hold.
    fn expected(&self, query: &ExecutionQuery) -> Vec<ExecutionId> {
        let wanted =
            |execution: &&Execution| query.version.is_none_or(|version| execution.job_version == version);
        let mut all: Vec<_> = self.executions.values().filter(wanted).collect();
        all.sort_by_key(|execution| match query.order {
            ExecutionOrder::Created => (execution.created, &execution.id),
            ExecutionOrder::Modified => (execution.modified, &execution.id),
            ExecutionOrder::Id => (Timestamp(0), &execution.id),
        });
        if query.reverse {
            all.reverse();
        }
        all.into_iter().map(|execution| execution.id.clone()).collect()
    }
}

fn spec() -> JobSpec {
    let job = json!({"Type": "service", "Tasks": [{"Name": "main", "Engine": {"Type": "noop"}}]});
    decode(&job, &Defaults::default()).unwrap().spec
}

fn head(id: &JobId) -> Job {
    Job {
        id: id.clone(),
        name: "one".to_owned(),
        namespace: "default".to_owned(),
        submitter: String::new(),
        job_type: JobType::Service,
        version: 1,
        state: JobState::Pending,
        message: String::new(),
        details: BTreeMap::new(),
        revision: 1,
        history: 0,
        created: Timestamp(1),
        version_created: Timestamp(1),
        modified: Timestamp(1),
        ended: None,
        targets_fixed: false,
    }
}

async fn walk(model: &Model, mut query: ExecutionQuery) -> Vec<ExecutionId> {
    let mut seen = Vec::new();
    loop {
        let page = model.reader().executions_page(&model.head(), &query).await.unwrap();
        assert!(page.executions.len() <= query.limit);
        seen.extend(page.executions.into_iter().map(|execution| execution.id));
        match page.next {
            Some(place) => {
                assert!(query.is_place(&place), "{place}");
                query.after = Some(place);
            }
            None => return seen,
        }
    }
}

fn queries(limit: usize, versions: u64) -> Vec<ExecutionQuery> {
    let mut queries = Vec::new();
    for order in [ExecutionOrder::Created, ExecutionOrder::Modified, ExecutionOrder::Id] {
        for version in [None, Some(1), Some(versions)] {
            for reverse in [false, true] {
                queries.push(ExecutionQuery { version, order, reverse, after: None, limit });
            }
        }
    }
    queries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pages_together_hold_what_is_there_in_order(
        steps in prop::collection::vec(step(), 0..12),
        limit in 1..30_usize,
    ) {
        futures_util::FutureExt::now_or_never(async {
            let mut model = Model::new().await;
            for step in &steps {
                model.take(*step).await;
            }
            for query in queries(limit, model.head().version) {
                assert_eq!(walk(&model, query.clone()).await, model.expected(&query), "{query:?}");
            }
        })
        .expect("the memory store never waits");
    }

    /// What was there all the time and did not change is seen once, whatever happens between two pages.
    #[test]
    fn what_stays_is_seen_once_while_others_come_and_change(
        before in prop::collection::vec(step(), 1..8),
        between in prop::collection::vec(step(), 1..8),
        limit in 1..10_usize,
    ) {
        futures_util::FutureExt::now_or_never(async {
            for which in 0..queries(limit, 1).len() {
                let mut model = Model::new().await;
                for step in &before {
                    model.take(*step).await;
                }
                let mut query = queries(limit, model.head().version).swap_remove(which);
                let old = model.executions.clone();
                let first = model.reader().executions_page(&model.head(), &query).await.unwrap();
                for step in &between {
                    model.take(*step).await;
                }
                let mut seen: Vec<_> = first.executions.into_iter().map(|execution| execution.id).collect();
                if let Some(place) = first.next {
                    query.after = Some(place);
                    seen.extend(walk(&model, query.clone()).await);
                }
                for id in model.expected(&query).iter().filter(|id| old.get(*id) == model.executions.get(*id)) {
                    assert_eq!(seen.iter().filter(|one| *one == id).count(), 1, "{query:?}");
                }
            }
        })
        .expect("the memory store never waits");
    }

    #[test]
    fn pages_of_history_together_hold_what_is_there(
        steps in prop::collection::vec(step(), 0..30),
        limit in 1..10_usize,
        every in 1..4_u64,
    ) {
        futures_util::FutureExt::now_or_never(async {
            let mut model = Model::new().await;
            for step in &steps {
                model.take(*step).await;
            }
            let wanted = |entry: &HistoryEntry| entry.sequence.is_multiple_of(every);
            for version in [None].into_iter().chain((1..=model.head().version).map(Some)) {
                let mut query = HistoryQuery { after: 0, limit, version };
                let mut seen = Vec::new();
                loop {
                    let page = model.reader().history(&model.head(), &query, wanted).await.unwrap();
                    seen.extend(page.entries);
                    query.after = page.position;
                    if !page.more {
                        break;
                    }
                }
                let of_version = |entry: &&HistoryEntry| version.is_none_or(|version| entry.job_version == version);
                let expected: Vec<_> =
                    model.history.iter().filter(of_version).filter(|entry| wanted(entry)).cloned().collect();
                assert_eq!(seen, expected, "{version:?}");
            }
        })
        .expect("the memory store never waits");
    }
}
