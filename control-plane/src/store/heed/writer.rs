use std::error::Error as _;
use std::sync::Arc;

use super::environment::Environment;
use super::layers::{Cause, Layer, Layers};
use super::queue::{Queue, Waiting};
use super::snapshot;
use super::wal::Wal;
use crate::store::apply::{Verdict, apply};
use crate::store::watch::Log;
use crate::store::{Batch, Revision, TxnError};

/// The only one that changes the store. Ends when the queue is closed and empty.
pub(super) struct Writer {
    pub(super) environment: Arc<Environment>,
    pub(super) layers: Arc<Layers>,
    pub(super) wal: Wal,
    pub(super) checkpoint_bytes: u64,
    pub(super) queue: Arc<Queue>,
    pub(super) log: Arc<Log>,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut many_commit = false;
        while let Some(group) = self.queue.take_group(many_commit) {
            many_commit = group.len() > 1;
            match self.commit(&group) {
                Ok(outcome) => self.acknowledge(group, outcome),
                Err(error) => refuse(group, &error),
            }
        }
    }

    /// Applies the group and syncs it once. A refused member changes nothing.
    fn commit(&mut self, group: &[Waiting]) -> Result<Outcome, TxnError> {
        self.make_room(Wal::bound(group.iter().map(|waiting| &waiting.txn))).map_err(TxnError::Storage)?;
        let outcome = snapshot::read(&self.environment, &self.layers, |mut snapshot| {
            let mut outcome = Outcome::at(snapshot.view.revision);
            for waiting in group {
                outcome.add(apply(&mut snapshot, &waiting.txn, outcome.revision + 1)?);
            }
            outcome.active = snapshot.view.active;
            Ok(outcome)
        });
        let outcome = outcome.map_err(|error| TxnError::Storage(Arc::new(error)))?;
        if !outcome.batches.is_empty() {
            self.wal.append(&outcome.batches).map_err(|error| TxnError::Broken(Arc::new(error)))?;
        }
        Ok(outcome)
    }

    /// Has the log moved to the database when it is long, and waits for that only when it is full.
    fn make_room(&mut self, bytes: usize) -> Result<(), Cause> {
        if !self.wal.has_room(bytes) {
            self.layers.freeze()?;
            self.wal.rotate();
        } else if self.wal.used() > self.checkpoint_bytes && self.layers.try_freeze() {
            self.wal.rotate();
        }
        Ok(())
    }

    fn acknowledge(&mut self, group: Vec<Waiting>, outcome: Outcome) {
        self.layers.publish(outcome.active, outcome.revision);
        self.log.publish(outcome.batches);
        for (waiting, answer) in group.into_iter().zip(outcome.answers) {
            // A caller that has gone away needs no answer.
            drop(waiting.reply.send(answer));
        }
    }
}

impl Drop for Writer {
    /// Even a writer that panics must not leave callers waiting for ever.
    fn drop(&mut self) {
        self.queue.close();
        while self.queue.take_group(false).is_some() {}
        self.log.close();
    }
}

/// What a group comes to.
struct Outcome {
    active: Layer,
    revision: Revision,
    batches: Vec<Batch>,
    /// One per member, in order.
    answers: Vec<Result<Revision, TxnError>>,
}

impl Outcome {
    fn at(revision: Revision) -> Self {
        Self { active: Layer::new(), revision, batches: Vec::new(), answers: Vec::new() }
    }

    fn add(&mut self, verdict: Verdict) {
        let answer = match verdict {
            Verdict::Conflict { key } => Err(TxnError::Conflict { key }),
            Verdict::Unchanged => Ok(self.revision),
            Verdict::Changed(batch) => {
                self.revision = batch.revision;
                self.batches.push(batch);
                Ok(self.revision)
            }
        };
        self.answers.push(answer);
    }
}

fn refuse(group: Vec<Waiting>, error: &TxnError) {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, members = group.len(), "a group of transactions could not be committed");
    for waiting in group {
        drop(waiting.reply.send(Err(error.clone())));
    }
}
