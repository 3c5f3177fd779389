use std::sync::Arc;

use super::environment::Environment;
use super::queue::{Queue, Waiting};
use crate::store::apply::{Verdict, apply};
use crate::store::watch::Log;
use crate::store::{Batch, Revision, TxnError};

/// The only one that writes. Ends when the queue is closed and empty.
pub(super) struct Writer {
    pub(super) environment: Arc<Environment>,
    pub(super) queue: Arc<Queue>,
    pub(super) log: Arc<Log>,
    /// Of the last commit.
    pub(super) revision: Revision,
}

impl Writer {
    pub(super) fn run(mut self) {
        while let Some(group) = self.queue.take_group() {
            match self.commit_growing(&group) {
                Ok(committed) => self.acknowledge(group, committed),
                Err(error) => refuse(group, error),
            }
        }
    }

    /// A group that outgrows the map leaves no trace, so it can be done again in a larger one.
    fn commit_growing(&self, group: &[Waiting]) -> Result<Committed, ::heed::Error> {
        loop {
            match self.commit(group) {
                Err(::heed::Error::Mdb(::heed::MdbError::MapFull)) => self.environment.grow()?,
                outcome => return outcome,
            }
        }
    }

    /// Applies the group in one LMDB transaction and syncs it once. A refused member changes nothing.
    fn commit(&self, group: &[Waiting]) -> Result<Committed, ::heed::Error> {
        let mut txn = self.environment.write()?;
        let mut committed = Committed { revision: self.revision, ..Committed::default() };
        for waiting in group {
            committed.add(apply(&mut txn, &waiting.txn, committed.revision + 1)?);
        }
        if !committed.batches.is_empty() {
            txn.commit(committed.revision)?;
        }
        Ok(committed)
    }

    fn acknowledge(&mut self, group: Vec<Waiting>, committed: Committed) {
        self.revision = committed.revision;
        self.log.publish(committed.batches);
        for (waiting, outcome) in group.into_iter().zip(committed.outcomes) {
            // A caller that has gone away needs no answer.
            drop(waiting.reply.send(outcome));
        }
    }
}

impl Drop for Writer {
    /// Even a writer that panics must not leave callers waiting for ever.
    fn drop(&mut self) {
        self.queue.close();
        while self.queue.take_group().is_some() {}
        self.log.close();
    }
}

#[derive(Default)]
struct Committed {
    revision: Revision,
    batches: Vec<Batch>,
    /// One per member of the group, in order.
    outcomes: Vec<Result<Revision, TxnError>>,
}

impl Committed {
    fn add(&mut self, verdict: Verdict) {
        let outcome = match verdict {
            Verdict::Conflict { key } => Err(TxnError::Conflict { key }),
            Verdict::Unchanged => Ok(self.revision),
            Verdict::Changed(batch) => {
                self.revision = batch.revision;
                self.batches.push(batch);
                Ok(self.revision)
            }
        };
        self.outcomes.push(outcome);
    }
}

/// What is on disk refers to no page of a failed group, so later groups may go on. Where that is uncertain, because the
/// meta page's own write failed, LMDB refuses all further writes until the store is opened anew.
fn refuse(group: Vec<Waiting>, error: ::heed::Error) {
    tracing::error!(%error, members = group.len(), "a group of transactions could not be committed");
    let error = Arc::new(error);
    for waiting in group {
        drop(waiting.reply.send(Err(TxnError::Storage(Arc::clone(&error) as _))));
    }
}
