//! Making changes durable, and what happens when that fails.

use bacalhau_protocol::ids::JobId;
use futures_util::future::try_join_all;
use tokio::sync::oneshot;

use super::{ChangeError, Orchestrator, WorldGuard};
use crate::clock;
use crate::state::{Draft, World};
use crate::store::{Txn, TxnError};

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
    /// Applies a draft and queues its transactions, in one step under the lock.
    pub(super) fn commit(&self, world: &mut World, draft: &Draft) -> Commit {
        let txns = draft.txns();
        world.apply(draft);
        self.drive(txns, OnConflict::Recover)
    }

    /// As [`Orchestrator::commit`], for a job that is new: it is forgotten when the store refuses it.
    pub(super) fn commit_new(&self, world: &mut World, draft: &Draft) -> Commit {
        let txns = draft.txns();
        world.apply(draft);
        self.drive(txns, OnConflict::Withdraw(draft.head.id.clone()))
    }

    /// Queues transactions in order. Call it under the world's lock.
    pub(super) fn queue(&self, txns: Vec<Txn>) -> Commit {
        self.drive(txns, OnConflict::Recover)
    }

    /// Queues now, and sees the outcome through even when the caller goes away: a failure concerns everybody.
    fn drive(&self, txns: Vec<Txn>, on_conflict: OnConflict) -> Commit {
        let queued = self.inner.store.txns(txns);
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
        Commit { outcome }
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

    /// Memory and disk have parted: takes no more changes and reads the state again.
    fn recover(&self, error: &TxnError) {
        let mut guard = self.world();
        if guard.get().is_err() {
            return;
        }
        tracing::error!(%error, "the store refused a change, reading the state again");
        guard.put(None);
        drop(guard);
        let orchestrator = self.clone();
        tokio::spawn(async move { orchestrator.reload().await });
    }

    async fn reload(&self) {
        let mut delay = std::time::Duration::from_millis(100);
        loop {
            // Everything queued before this one is decided when it is.
            let barrier = self.inner.store.txn(Txn::new()).await;
            match barrier {
                Ok(_) => match World::load(&self.inner.store, clock::now()).await {
                    Ok(world) => return self.resume(world),
                    Err(error) => tracing::error!(%error, "the state cannot be read, trying again"),
                },
                Err(error) => tracing::error!(%error, "the store does not answer, trying again"),
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(std::time::Duration::from_secs(30));
        }
    }

    fn resume(&self, mut world: World) {
        let mut guard: WorldGuard<'_> = self.world();
        self.inner.nodes.restore(&mut world);
        world.jobs().for_each(|job| self.mark(&world, job));
        guard.put(Some(world));
        tracing::info!("the state was read again");
    }
}
