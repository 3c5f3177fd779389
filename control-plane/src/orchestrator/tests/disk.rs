//! A disk that is full.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::*;
use crate::store::{Compacted, Entry, Error, Range, Revision, Watch};

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
