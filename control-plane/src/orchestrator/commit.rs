//! Making changes durable, and what happens when that fails.

use std::time::Duration;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::time::Timestamp;
use futures_util::future::try_join_all;
use tokio::sync::oneshot;

use super::{ChangeError, Orchestrator, WorldGuard};
use crate::clock;
use crate::state::{Draft, Precedence, World};
use crate::store::{Txn, TxnError};

/// When a job is looked at again whose change the store had no room for.
const PUT_OFF: Duration = Duration::from_secs(1);
/// Pause before a recovery that follows another one: the first, and the longest it grows to.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A recovery this long after the last one begins at once.
const CALM: Duration = Duration::from_secs(120);

/// A change that is applied in memory and on its way to the disk, whether anybody waits for it or not. Wait for it before
/// anybody is told.
pub struct Commit {
    outcome: oneshot::Receiver<Result<(), TxnError>>,
}

impl Commit {
    /// Waits until the change is durable.
    pub async fn durable(self) -> Result<(), ChangeError> {
        Ok(self.outcome().await?)
    }

    /// As [`Commit::durable`], for a caller that tells a refused guard from other failures.
    pub(super) async fn outcome(self) -> Result<(), TxnError> {
        self.outcome.await.unwrap_or(Err(TxnError::Closed))
    }
}

/// What a refused guard means.
enum OnConflict {
    /// Memory and disk have parted.
    Recover,
    /// Somebody else made the job, or took its name, first.
    Withdraw(JobId),
}

impl Orchestrator {
    /// Queues a draft's transactions and applies it, in one step under the lock. What the store does not take is not
    /// applied.
    pub(super) fn commit(&self, world: &mut World, draft: &Draft) -> Result<Commit, ChangeError> {
        self.commit_as(world, draft, OnConflict::Recover)
    }

    /// As [`Orchestrator::commit`], for a job that is new: it is forgotten when somebody else has made it.
    pub(super) fn commit_new(&self, world: &mut World, draft: &Draft) -> Result<Commit, ChangeError> {
        self.commit_as(world, draft, OnConflict::Withdraw(draft.head.id.clone()))
    }

    fn commit_as(
        &self,
        world: &mut World,
        draft: &Draft,
        on_conflict: OnConflict,
    ) -> Result<Commit, ChangeError> {
        let queued = self.drive(world.txns(draft), on_conflict);
        match &queued {
            Ok(_) => world.apply(draft),
            Err(_) => {
                // The plan that is dropped has replaced the time at which the job is looked at.
                let precedence = Precedence::new(draft.spec.priority, draft.head.created);
                self.inner.broker.wake(&draft.head.id, precedence, Some(draft.now().after(PUT_OFF)));
            }
        }
        queued
    }

    /// Queues transactions in order, all or none. Call it under the world's lock, before what they say is applied.
    pub(super) fn queue(&self, txns: Vec<Txn>) -> Result<Commit, ChangeError> {
        self.drive(txns, OnConflict::Recover)
    }

    /// Queues nothing: it is durable when everything queued before is.
    pub(super) fn barrier(&self) -> Result<Commit, ChangeError> {
        self.queue(vec![Txn::new()])
    }

    /// Waits until the disk has caught up with memory as it is now.
    pub(super) async fn caught_up(&self) -> Result<(), ChangeError> {
        self.inner.store.txn(Txn::new()).await?;
        Ok(())
    }

    /// Queues now, and sees the outcome through even when the caller goes away: a failure concerns everybody.
    fn drive(&self, txns: Vec<Txn>, on_conflict: OnConflict) -> Result<Commit, ChangeError> {
        let queued = self.inner.store.txns(txns).inspect_err(|error| self.note_end(error))?;
        let (sender, outcome) = oneshot::channel();
        let orchestrator = self.clone();
        tokio::spawn(async move {
            let result = try_join_all(queued).await.map(drop);
            if let Err(error) = &result {
                orchestrator.failed(error, on_conflict);
            }
            // A caller that has gone away needs no answer.
            let _ = sender.send(result);
        });
        Ok(Commit { outcome })
    }

    fn failed(&self, error: &TxnError, on_conflict: OnConflict) {
        match (error, on_conflict) {
            (TxnError::Conflict { .. }, OnConflict::Withdraw(job)) => {
                if let Ok(world) = self.world().get() {
                    world.withdraw(&job);
                }
            }
            _ => self.recover(error),
        }
    }

    /// Look at a job as soon as its precedence allows. One that is not in progress needs no look.
    pub(super) fn mark(&self, world: &World, job: &JobId) {
        if let Some(live) = world.job(job) {
            self.inner.broker.mark(job.clone(), live.precedence());
        }
    }

    /// Returns when the store takes nothing more: then only a restart can tell what it holds.
    pub async fn store_ended(&self) {
        self.inner.store_ended.cancelled().await;
    }

    fn note_end(&self, error: &TxnError) {
        if error.is_final() {
            self.inner.store_ended.cancel();
        }
    }

    /// Memory and disk have parted: takes no more changes and reads the state again, if that can help.
    fn recover(&self, error: &TxnError) {
        let mut guard = self.world();
        if guard.get().is_err() {
            return;
        }
        tracing::error!(%error, "the store refused a change, reading the state again");
        guard.put(None);
        drop(guard);
        self.note_end(error);
        if !error.is_final() {
            let orchestrator = self.clone();
            tokio::spawn(async move { orchestrator.reload().await });
        }
    }

    async fn reload(&self) {
        loop {
            tokio::time::sleep(self.next_pause()).await;
            // Everything queued before this one is decided when it is.
            match self.inner.store.txn(Txn::new()).await {
                Ok(_) => match World::load(&self.inner.store, clock::now()).await {
                    Ok(world) => return self.resume(world),
                    Err(error) => tracing::error!(%error, "the state cannot be read, trying again"),
                },
                Err(error) if error.is_final() => return self.note_end(&error),
                Err(error) => tracing::error!(%error, "the store does not answer, trying again"),
            }
        }
    }

    fn next_pause(&self) -> Duration {
        let mut pauses = self.inner.pauses.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pauses.next(clock::now())
    }

    fn resume(&self, mut world: World) {
        let mut guard: WorldGuard<'_> = self.world();
        self.inner.nodes.restore(&mut world);
        world.jobs().for_each(|job| self.mark(&world, job));
        guard.put(Some(world));
        tracing::info!("the state was read again");
    }
}

/// How long recoveries wait. It grows from one to the next, too: a disk that can be read and not be written would else be
/// asked without end.
#[derive(Default)]
pub(super) struct Pauses {
    pause: Duration,
    last: Option<Timestamp>,
}

impl Pauses {
    fn next(&mut self, now: Timestamp) -> Duration {
        let follows = self.last.is_some_and(|last| now.since(last) < CALM);
        self.pause = match follows {
            true => (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
            false => Duration::ZERO,
        };
        self.last = Some(now);
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_that_follows_another_one_waits_longer() {
        let mut pauses = Pauses::default();
        let mut now = Timestamp(0);
        let mut waited = Vec::new();
        for _ in 0..12 {
            waited.push(pauses.next(now));
            now = now.after(Duration::from_secs(40));
        }
        assert_eq!(waited[..4], [0, 100, 200, 400].map(Duration::from_millis));
        assert_eq!(waited[11], LONGEST_PAUSE);
        assert_eq!(pauses.next(now.after(CALM)), Duration::ZERO, "that was another trouble");
    }
}
