//! A change of one job under construction: what the scheduler, an observation or a caller decided, before it is
//! applied to the [`super::World`] and queued for the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{Event, Execution, Job, JobSpec, JobState};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::record::{self, Kind};

use super::history::HistoryEntry;
use super::keys;
use super::world::LiveJob;
use crate::store::{MAX_TXN_BYTES, MAX_TXN_OPS, Txn};

/// History entries kept in one record.
const MAX_ENTRIES_PER_RECORD: usize = 100;
/// Bytes of history in one record, unless a single entry has more: about 140 KiB at most, as nodes are believed.
const MAX_BYTES_PER_RECORD: usize = 64 * 1024;
/// What a transaction of a large change may hold before the next one is begun: the store's limits, less the last thing
/// added and the head.
const ENOUGH_OPS: usize = MAX_TXN_OPS - 10;
const ENOUGH_BYTES: usize = MAX_TXN_BYTES / 2;

/// A change of one job.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The head as it will be.
    pub head: Job,
    /// The specification of the head's version.
    pub spec: Arc<JobSpec>,
    /// The last plan wanted nodes that there were not. In memory only: a restart plans anew.
    pub short_of_nodes: bool,
    pub(super) executions: BTreeMap<ExecutionId, Execution>,
    /// When those executions were changed before that are not new.
    touched_before: BTreeMap<ExecutionId, Timestamp>,
    pub(super) before: Before,
    history: Vec<HistoryEntry>,
    new_version: bool,
    /// When the job was changed before.
    changed_before: Option<Timestamp>,
    now: Timestamp,
}

/// What the job was before the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// There was none.
    Absent,
    /// In progress.
    Live,
    /// It had ended then; an update or a rerun brings it back.
    Ended(Timestamp),
}

impl Draft {
    /// A job that did not exist.
    pub fn create(head: Job, spec: Arc<JobSpec>, now: Timestamp) -> Self {
        Self::new(head, spec, Before::Absent, true, now)
    }

    /// A change of a job that exists.
    pub fn change(job: &LiveJob, now: Timestamp) -> Self {
        let before = job.head.ended.map_or(Before::Live, Before::Ended);
        let mut draft = Self::new(Job::clone(&job.head), job.spec.clone(), before, false, now);
        draft.changed_before = Some(draft.head.modified);
        draft.head.revision += 1;
        draft.head.modified = now;
        draft.short_of_nodes = job.short_of_nodes;
        draft
    }

    fn new(head: Job, spec: Arc<JobSpec>, before: Before, new_version: bool, now: Timestamp) -> Self {
        Self {
            head,
            spec,
            short_of_nodes: false,
            executions: BTreeMap::new(),
            touched_before: BTreeMap::new(),
            before,
            history: Vec::new(),
            new_version,
            changed_before: None,
            now,
        }
    }

    /// When the job was changed before; for a new one, now.
    pub fn changed_before(&self) -> Timestamp {
        self.changed_before.unwrap_or(self.now)
    }

    /// The time of the change.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Gives the job another specification, as its next version.
    pub fn next_version(&mut self, spec: Arc<JobSpec>, message: &str) {
        self.head.version += 1;
        self.head.version_created = self.now;
        self.head.targets_fixed = false;
        self.spec = spec;
        self.new_version = true;
        self.set_state(JobState::Pending, message.to_owned(), BTreeMap::new());
    }

    /// Sets where the job stands.
    pub fn set_state(&mut self, state: JobState, message: String, details: BTreeMap<String, String>) {
        self.head.state = state;
        self.head.message = message;
        self.head.details = details;
        self.head.ended = state.is_terminal().then_some(self.now);
    }

    /// Adds or replaces an execution; its revision and time of change are set here.
    pub fn put_execution(&mut self, mut execution: Execution) {
        if execution.revision > 0 && !self.executions.contains_key(&execution.id) {
            self.touched_before.insert(execution.id.clone(), execution.modified);
        }
        execution.revision += 1;
        execution.modified = self.now;
        self.executions.insert(execution.id.clone(), execution);
    }

    /// The execution as the change leaves it, if the change touches it.
    pub fn execution(&self, id: &ExecutionId) -> Option<&Execution> {
        self.executions.get(id)
    }

    /// The executions the change touches.
    pub fn changed(&self) -> impl Iterator<Item = &Execution> {
        self.executions.values()
    }

    /// Adds an entry to the job's history.
    pub fn record(&mut self, execution_id: Option<ExecutionId>, event: Event) {
        self.head.history += 1;
        self.history.push(HistoryEntry {
            sequence: self.head.history,
            job_version: self.head.version,
            execution_id,
            event,
        });
    }

    /// The transactions that make the change durable, to be queued in this order. One for all but very large plans:
    /// those are written in chunks, and only the last one carries the head that says the plan is whole. After a cut
    /// in between, the next evaluation plans what is missing under the same ids. `is_settled` says whether the change
    /// leaves nothing of the job in progress.
    pub(super) fn txns(&self, is_settled: bool) -> Vec<Txn> {
        let txn = self.first_txn(is_settled);
        let mut chunks = Chunks { draft: self, done: Vec::new(), txn, told: self.told_before() };
        for entries in self.history_records() {
            let key = keys::history(&self.head.id, entries[0].sequence);
            chunks.make_room();
            chunks.change(|txn| txn.put(key, record::encode(Kind::History, &entries)));
            chunks.told = entries[entries.len() - 1].sequence;
        }
        for execution in self.executions.values() {
            chunks.make_room();
            chunks.change(|txn| self.write_execution(txn, execution));
        }
        if is_settled && self.before != Before::Absent {
            chunks.change(|txn| txn.delete(keys::live(&self.head.id)));
        }
        chunks.finish()
    }

    /// Sequence of the last history entry before the change.
    fn told_before(&self) -> u64 {
        self.history.first().map_or(self.head.history, |first| first.sequence - 1)
    }

    fn first_txn(&self, is_settled: bool) -> Txn {
        let mut txn = Txn::new();
        txn = match self.before {
            Before::Absent => self.put_new(txn.absent(keys::job(&self.head.id))),
            Before::Live | Before::Ended(_) => txn.exists(keys::job(&self.head.id)),
        };
        if self.new_version {
            let key = keys::version(&self.head.id, self.head.version);
            txn = txn.put(key, record::encode(Kind::JobSpec, &*self.spec));
        }
        let begins = match self.before {
            Before::Absent => !is_settled,
            Before::Live => false,
            Before::Ended(_) => self.head.ended.is_none(),
        };
        if begins {
            txn = txn.put(keys::live(&self.head.id), "");
        }
        self.put_changed(self.put_end(txn))
    }

    fn put_new(&self, mut txn: Txn) -> Txn {
        let head = &self.head;
        if head.name != head.id.as_str() {
            let name = keys::name(&head.namespace, &head.name);
            txn = txn.absent(name.clone()).put(name, head.id.as_str().to_owned());
        }
        txn.put(keys::listed(None, head.created, &head.id), "")
            .put(keys::listed(Some(&head.namespace), head.created, &head.id), "")
    }

    /// Moves the job within the order in which jobs ended.
    fn put_end(&self, mut txn: Txn) -> Txn {
        let was = match self.before {
            Before::Ended(at) => Some(at),
            Before::Absent | Before::Live => None,
        };
        if was == self.head.ended {
            return txn;
        }
        if let Some(at) = was {
            txn = txn.delete(keys::ended(at, &self.head.id));
        }
        match self.head.ended {
            Some(at) => txn.put(keys::ended(at, &self.head.id), ""),
            None => txn,
        }
    }

    /// Moves the job to the end of the order of changes.
    fn put_changed(&self, mut txn: Txn) -> Txn {
        let (head, before) = (&self.head, self.changed_before);
        if let Some(at) = before.filter(|at| *at != head.modified) {
            txn = txn.delete(keys::changed(at, &head.id));
        }
        txn.put(keys::changed(head.modified, &head.id), "")
    }

    /// The history in runs that make one record each.
    fn history_records(&self) -> Vec<&[HistoryEntry]> {
        let (mut records, mut rest) = (Vec::new(), &self.history[..]);
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take(MAX_ENTRIES_PER_RECORD).take_while(|entry| {
                bytes += size(entry);
                bytes <= MAX_BYTES_PER_RECORD
            });
            let (record, others) = rest.split_at(fits.count().max(1));
            records.push(record);
            rest = others;
        }
        records
    }

    /// Writes an execution and its places in the orders by which they are listed.
    fn write_execution(&self, mut txn: Txn, execution: &Execution) -> Txn {
        let touched = self.touched_before.get(&execution.id);
        match touched {
            None => txn = txn.put(keys::made(execution), ""),
            Some(at) if *at == execution.modified => {}
            Some(at) => txn = txn.delete(keys::touched(execution, *at)),
        }
        let key = keys::execution(&self.head.id, &execution.id);
        txn.put(keys::touched(execution, execution.modified), "")
            .put(key, record::encode(Kind::Execution, execution))
    }
}

/// The transactions of one change, as they fill up.
struct Chunks<'a> {
    draft: &'a Draft,
    done: Vec<Txn>,
    txn: Txn,
    /// Sequence of the last history entry written so far.
    told: u64,
}

impl Chunks<'_> {
    fn change(&mut self, change: impl FnOnce(Txn) -> Txn) {
        self.txn = change(std::mem::take(&mut self.txn));
    }

    /// Begins another transaction if this one holds enough. What is cut here tells of itself what is written.
    fn make_room(&mut self) {
        if self.txn.ops() < ENOUGH_OPS && self.txn.bytes() < ENOUGH_BYTES {
            return;
        }
        let mut head = self.draft.head.clone();
        head.targets_fixed = false;
        head.history = self.told;
        let key = keys::job(&head.id);
        self.change(|txn| txn.put(key.clone(), record::encode(Kind::Job, &head)));
        self.done.push(std::mem::replace(&mut self.txn, Txn::new().exists(key)));
    }

    fn finish(mut self) -> Vec<Txn> {
        let head = &self.draft.head;
        self.done.push(self.txn.put(keys::job(&head.id), record::encode(Kind::Job, head)));
        self.done
    }
}

/// Bytes of an entry's texts, which is most of what its record takes.
fn size(entry: &HistoryEntry) -> usize {
    let Event { topic, message, details, .. } = &entry.event;
    let details: usize = details.iter().map(|(key, value)| key.len() + value.len() + 4).sum();
    topic.len() + message.len() + details + 64
}
