//! Forgetting what ended long ago: jobs, and the past of those that go on: services and daemons, and whatever is submitted
//! again and again under one name.

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::{Execution, Job, ObservedState};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::record::{self, Kind};

use super::{ChangeError, Orchestrator};
use crate::clock;
use crate::scheduler::Reachable;
use crate::state::{Draft, HistoryEntry, ReadError, keys};
use crate::store::{Entry, Store, Txn, prefix_end};

/// Jobs forgotten in one round.
const JOBS_PER_ROUND: usize = 100;
/// Keys deleted in one transaction, below the store's limit of 100 operations.
const KEYS_PER_TXN: usize = 90;
/// Executions deleted in one transaction: each has three keys.
const EXECUTIONS_PER_TXN: usize = 30;
/// Time between rounds when there was nothing to do.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(60);
/// Every so many of these pauses, what goes on is looked through.
const PAUSES_BETWEEN_TRIMS: usize = 60;
/// History entries kept of a job that goes on.
const KEPT_HISTORY: u64 = 100_000;

impl Orchestrator {
    /// Forgets jobs that ended longer ago than the retention, until the process ends.
    pub async fn forget_forever(self) {
        let mut pauses: usize = 0;
        loop {
            match self.forget_round().await {
                Ok(0) => {
                    tokio::time::sleep(PAUSE).await;
                    pauses += 1;
                    if pauses.is_multiple_of(PAUSES_BETWEEN_TRIMS)
                        && let Err(error) = self.trim_round(KEPT_HISTORY).await
                    {
                        tracing::warn!(%error, "the past of jobs that go on could not be forgotten");
                    }
                }
                Ok(forgotten) => tracing::debug!(forgotten, "jobs past their retention forgotten"),
                Err(error) => {
                    tracing::warn!(%error, "jobs past their retention could not be forgotten");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Forgets up to [`JOBS_PER_ROUND`] jobs, those that ended first; says how many.
    pub async fn forget_round(&self) -> Result<usize, ChangeError> {
        let before = self.retained_since();
        let (mut forgotten, mut last) = (0, None);
        loop {
            let jobs = self.reader().ended_before(before, last.as_ref(), JOBS_PER_ROUND).await?;
            for (_, id) in &jobs {
                forgotten += usize::from(self.forget_ended(id, before).await?);
            }
            last = jobs.last().map(|(place, _)| place.clone());
            if forgotten > 0 || last.is_none() {
                return Ok(forgotten);
            }
        }
    }

    async fn forget_ended(&self, id: &JobId, before: Timestamp) -> Result<bool, ChangeError> {
        let _no_update_meanwhile = self.inner.revival.lock().await;
        if !self.let_go(id, before)? {
            return Ok(false);
        }
        self.caught_up().await?;
        match self.reader().head(id).await?.filter(|head| head.ended.is_some_and(|ended| ended < before)) {
            Some(head) => self.forget(&head).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Whether the job is no longer in memory. One that came back to life stays, and so does one that may still run on a
    /// node which is there to report its end. Other ends are not waited for: a node that comes back later is told that
    /// what it holds is not wanted any more.
    fn let_go(&self, id: &JobId, before: Timestamp) -> Result<bool, ChangeError> {
        let mut guard = self.world();
        let world = guard.get()?;
        let Some(job) = world.job(id) else { return Ok(true) };
        let is_there = |execution: &Execution| {
            execution.may_be_running()
                && world
                    .nodes()
                    .get(&execution.node_id)
                    .is_some_and(|node| node.reachable == Reachable::Connected)
        };
        let is_needed = job.head.ended.is_none_or(|ended| ended >= before)
            || job.executions.values().any(|execution| is_there(execution));
        if is_needed {
            return Ok(false);
        }
        let mut draft = Draft::change(job, clock::now());
        for execution in job.executions.values().filter(|execution| execution.may_be_running()) {
            draft
                .put_execution(Execution { observed: ObservedState::Stopped, ..Execution::clone(execution) });
        }
        self.commit(world, &draft)?;
        Ok(true)
    }

    /// Forgets what is older than the retention of services and daemons, and of the older versions of any job: executions
    /// that ended, versions, history. Of all histories it leaves the last `kept_history` entries. Reads every head.
    pub async fn trim_round(&self, kept_history: u64) -> Result<(), ChangeError> {
        let before = self.retained_since();
        let prefix = keys::jobs("");
        let (mut start, end) = (prefix.clone(), prefix_end(&prefix));
        loop {
            let heads = self.inner.store.range(start.clone(), end.clone(), JOBS_PER_ROUND, false).await;
            let heads = heads.map_err(ReadError::from)?;
            for entry in &heads.entries {
                let head: Job = record::decode(Kind::Job, &entry.value).map_err(ReadError::from)?;
                if head.job_type.is_long_running() || head.version > 1 {
                    let reached = self.trim_executions(&head, before).await?;
                    self.trim_versions(&head, reached).await?;
                    self.trim_history(&head, kept_history, before).await?;
                }
            }
            match heads.entries.last() {
                Some(last) if heads.more => start = [&last.key[..], b"\0"].concat().into(),
                _ => return Ok(()),
            }
        }
    }

    /// Oldest first; what was made after `before` cannot have ended before it. Of a job that comes to an end, what its
    /// current version has done is needed until then. Says up to which version something was forgotten.
    async fn trim_executions(&self, head: &Job, before: Timestamp) -> Result<u64, ChangeError> {
        let job = &head.id;
        let prefix = keys::all_made(job, None);
        let end = match head.job_type.is_long_running() {
            true => prefix_end(&prefix),
            false => keys::all_made(job, Some(head.version)),
        };
        let (mut start, mut reached) = (prefix, 0);
        loop {
            let places = self.inner.store.range(start.clone(), end.clone(), EXECUTIONS_PER_TXN, false).await;
            let places = places.map_err(ReadError::from)?;
            let (mut txn, mut is_recent) = (Txn::new(), false);
            for place in &places.entries {
                let Some(execution) = self.made_at(job, place).await? else { continue };
                is_recent = execution.created >= before;
                if !is_recent && execution.observed.is_terminal() && execution.modified < before {
                    reached = execution.job_version.max(reached);
                    txn = txn
                        .delete(keys::made(&execution))
                        .delete(keys::touched(&execution, execution.modified))
                        .delete(keys::execution(job, &execution.id));
                }
            }
            self.delete(txn).await?;
            match places.entries.last() {
                Some(last) if places.more && !is_recent => start = [&last.key[..], b"\0"].concat().into(),
                _ => return Ok(reached),
            }
        }
    }

    /// Forgets versions up to `reached`, as far as nothing of them or of older ones is left.
    async fn trim_versions(&self, head: &Job, reached: u64) -> Result<(), ChangeError> {
        let prefix = keys::all_made(&head.id, None);
        let first = self.inner.store.range(prefix.clone(), prefix_end(&prefix), 1, false).await;
        let first = first.map_err(ReadError::from)?.entries.pop();
        let first = match first {
            Some(place) => self.made_at(&head.id, &place).await?,
            None => None,
        };
        let kept = first.map_or(head.version, |execution| execution.job_version.min(head.version));
        let end = keys::version(&head.id, kept.min(reached + 1));
        loop {
            let versions = keys::versions(&head.id);
            let range = self.inner.store.range(versions, end.clone(), KEYS_PER_TXN, false).await;
            let range = range.map_err(ReadError::from)?;
            self.delete(range.entries.into_iter().fold(Txn::new(), |txn, entry| txn.delete(entry.key)))
                .await?;
            if !range.more {
                return Ok(());
            }
        }
    }

    async fn made_at(&self, job: &JobId, place: &Entry) -> Result<Option<Execution>, ChangeError> {
        let id = keys::last_part(&place.key).and_then(|id| ExecutionId::parse(id).ok());
        match id {
            Some(id) => Ok(self.reader().execution(job, &id).await?),
            None => Ok(None),
        }
    }

    async fn trim_history(&self, head: &Job, kept: u64, before: Timestamp) -> Result<(), ChangeError> {
        let is_over = |last: &HistoryEntry| {
            last.sequence.saturating_add(kept) <= head.history
                || last.job_version < head.version && last.event.at < before
        };
        let prefix = keys::histories(&head.id);
        loop {
            let store: &dyn Store = &*self.inner.store;
            let records = store.range(prefix.clone(), prefix_end(&prefix), KEYS_PER_TXN, false).await;
            let records = records.map_err(ReadError::from)?.entries;
            let mut txn = Txn::new();
            for entry in &records {
                let told: Vec<HistoryEntry> =
                    record::decode(Kind::History, &entry.value).map_err(ReadError::from)?;
                if told.last().is_none_or(is_over) {
                    txn = txn.delete(entry.key.clone());
                }
            }
            let deleted = txn.ops();
            self.delete(txn).await?;
            if deleted < records.len() || records.is_empty() {
                return Ok(());
            }
        }
    }

    /// Nothing to delete is nothing to write.
    async fn delete(&self, txn: Txn) -> Result<(), ChangeError> {
        if txn.ops() > 0 {
            self.inner.store.txn(txn).await?;
        }
        Ok(())
    }

    fn retained_since(&self) -> Timestamp {
        let nanos = i64::try_from(self.inner.retention.as_nanos()).unwrap_or(i64::MAX);
        Timestamp(clock::now().0.saturating_sub(nanos))
    }

    async fn forget(&self, head: &Job) -> Result<(), ChangeError> {
        let id = &head.id;
        let belongings = [
            keys::all_made(id, None),
            keys::every_touched(id),
            keys::executions(id),
            keys::histories(id),
            keys::versions(id),
        ];
        for prefix in belongings {
            self.delete_all(&prefix).await?;
        }
        let mut txn = Txn::new()
            .delete(keys::job(&head.id))
            .delete(keys::changed(head.modified, &head.id))
            .delete(keys::listed(None, head.created, &head.id))
            .delete(keys::listed(Some(&head.namespace), head.created, &head.id));
        if let Some(ended) = head.ended {
            txn = txn.delete(keys::ended(ended, &head.id));
        }
        if head.name != JobId::as_str(&head.id) {
            txn = txn.delete(keys::name(&head.namespace, &head.name));
        }
        self.inner.store.txn(txn).await?;
        Ok(())
    }

    async fn delete_all(&self, prefix: &bytes::Bytes) -> Result<(), ChangeError> {
        loop {
            let store: &dyn Store = &*self.inner.store;
            let range = store.range(prefix.clone(), prefix_end(prefix), KEYS_PER_TXN, false).await;
            let range = range.map_err(ReadError::from)?;
            if range.entries.is_empty() {
                return Ok(());
            }
            let txn = range.entries.into_iter().fold(Txn::new(), |txn, entry| txn.delete(entry.key));
            store.txn(txn).await?;
        }
    }
}
