//! Making changes durable, and what happens when that fails.

use bacalhau_protocol::ids::JobId;
use futures_util::future::{BoxFuture, try_join_all};

use super::{ChangeError, Orchestrator, WorldGuard};
use crate::clock;
use crate::state::{Draft, World};
use crate::store::{Txn, TxnError};

/// A change that is applied in memory and queued for the store. Wait for it before anybody is told.
#[must_use = "a change is acknowledged only when it is durable"]
pub struct Commit {
    durable: BoxFuture<'static, Result<(), TxnError>>,
    orchestrator: Orchestrator,
}

impl Commit {
    /// Waits until the change is durable.
    pub async fn durable(self) -> Result<(), ChangeError> {
        match self.durable.await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.orchestrator.recover(&error);
                Err(error.into())
            }
        }
    }

    /// As [`Commit::durable`], but a refused guard does not mean that memory and disk have parted: the caller undoes
    /// the change itself.
    pub(super) async fn durable_or_conflict(self) -> Result<Result<(), ChangeError>, TxnError> {
        match self.durable.await {
            Ok(()) => Ok(Ok(())),
            Err(conflict @ TxnError::Conflict { .. }) => Err(conflict),
            Err(error) => {
                self.orchestrator.recover(&error);
                Ok(Err(error.into()))
            }
        }
    }

    /// Lets the change become durable without anybody waiting for it.
    pub fn detach(self) {
        tokio::spawn(async move {
            // A failure has been logged and started the recovery, which evaluates everything again.
            let _ = self.durable().await;
        });
    }
}

impl Orchestrator {
    /// Applies a draft and queues its transactions, in one step under the lock.
    pub(super) fn commit(&self, world: &mut World, draft: &Draft) -> Commit {
        let txns = draft.txns();
        world.apply(draft);
        self.queue(txns)
    }

    /// Queues transactions in order. Call it under the world's lock.
    pub(super) fn queue(&self, txns: Vec<Txn>) -> Commit {
        let mut queued: Vec<_> = txns.into_iter().map(|txn| self.inner.store.txn(txn)).collect();
        let durable: BoxFuture<'static, _> = match (queued.pop(), queued.is_empty()) {
            (Some(only), true) => Box::pin(async move { only.await.map(drop) }),
            (last, _) => {
                queued.extend(last);
                Box::pin(async move { try_join_all(queued).await.map(drop) })
            }
        };
        Commit { durable, orchestrator: self.clone() }
    }

    /// Evaluations to run again after a job could not be changed.
    pub(super) fn mark(&self, job: &JobId) {
        self.inner.broker.mark(job.clone());
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
        world.jobs().for_each(|job| self.mark(job));
        guard.put(Some(world));
        tracing::info!("the state was read again");
    }
}
