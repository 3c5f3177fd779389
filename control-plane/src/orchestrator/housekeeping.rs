//! Forgetting what ended long ago.

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::Job;

use super::{ChangeError, Orchestrator};
use crate::clock;
use crate::state::keys;
use crate::store::{Store, Txn, prefix_end};

/// Jobs forgotten in one round.
const JOBS_PER_ROUND: usize = 100;
/// Keys deleted in one transaction, below the store's limit of 100 operations.
const KEYS_PER_TXN: usize = 90;
/// Time between rounds when there was nothing to do.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(60);

impl Orchestrator {
    /// Forgets jobs that ended longer ago than the retention, until the process ends.
    pub async fn forget_forever(self) {
        loop {
            match self.forget_round().await {
                Ok(0) => tokio::time::sleep(PAUSE).await,
                Ok(forgotten) => tracing::debug!(forgotten, "jobs past their retention forgotten"),
                Err(error) => {
                    tracing::warn!(%error, "jobs past their retention could not be forgotten");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Forgets up to [`JOBS_PER_ROUND`] jobs; says how many.
    pub async fn forget_round(&self) -> Result<usize, ChangeError> {
        let nanos = i64::try_from(self.inner.retention.as_nanos()).unwrap_or(i64::MAX);
        let before = bacalhau_protocol::time::Timestamp(clock::now().0.saturating_sub(nanos));
        let jobs = self.reader().ended_before(before, JOBS_PER_ROUND).await?;
        let mut forgotten = 0;
        for id in &jobs {
            let _no_update_meanwhile = self.inner.revival.lock().await;
            // One that came back to life has no end any more; one that may still run somewhere is kept for its report.
            if self.world().get()?.job(id).is_some() {
                continue;
            }
            if let Some(head) = self.reader().head(id).await?.filter(|head| head.ended.is_some()) {
                self.forget(&head).await?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
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
            let range = range.map_err(crate::state::ReadError::from)?;
            if range.entries.is_empty() {
                return Ok(());
            }
            let txn = range.entries.into_iter().fold(Txn::new(), |txn, entry| txn.delete(entry.key));
            store.txn(txn).await?;
        }
    }
}
