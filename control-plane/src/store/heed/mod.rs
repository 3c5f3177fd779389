//! The embedded store: LMDB through heed, one directory, one process, one writer thread.
//!
//! A transaction is acknowledged, and seen by readers and watchers, only when it is on disk. What waits while the disk
//! is busy shares the next sync (group commit), so the cost of durability is paid per sync and not per transaction.

mod environment;
mod queue;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::sync::oneshot;

use self::environment::Environment;
pub use self::environment::{MAX_MAP_BYTES, OpenError};
pub use self::queue::{MAX_WAITING_BYTES, MAX_WAITING_TXNS};
use self::queue::{Queue, Waiting};
use self::writer::Writer;
use super::watch::Log;
use super::{Compacted, Entry, Error, Range, Revision, Store, Txn, TxnError, Watch};

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Address space reserved at first; it doubles when the data outgrows it. Rounded up to whole pages.
    pub map_bytes: usize,
    pub durability: Durability,
}

impl Default for Options {
    fn default() -> Self {
        Self { map_bytes: 64 * 1024 * 1024, durability: Durability::Disk }
    }
}

/// What an acknowledged transaction survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    Disk,
    /// The death of the process only. A power cut may lose acknowledged transactions or make the store unreadable: for
    /// throwaway stores, and to measure what syncing costs.
    PageCache,
}

pub struct HeedStore {
    environment: Arc<Environment>,
    queue: Arc<Queue>,
    log: Arc<Log>,
    writer: Option<JoinHandle<()>>,
}

impl HeedStore {
    /// Opens the store in `directory`, which is made if there is none. Costs the same however much it holds.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        let environment = Arc::new(Environment::open(directory, options)?);
        let revision = environment.revision()?;
        let (queue, log) = (Arc::new(Queue::default()), Log::new(revision));
        let writer = Writer {
            environment: Arc::clone(&environment),
            queue: Arc::clone(&queue),
            log: Arc::clone(&log),
            revision,
        };
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(|| writer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self { environment, queue, log, writer: Some(writer) })
    }
}

impl Drop for HeedStore {
    /// Commits what is queued, then closes.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

impl Store for HeedStore {
    fn get(&self, key: Bytes) -> BoxFuture<'static, Result<Option<Entry>, Error>> {
        let environment = Arc::clone(&self.environment);
        async move { environment.get(key).map_err(read_failed) }.boxed()
    }

    fn range(
        &self,
        start: Bytes,
        end: Bytes,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'static, Result<Range, Error>> {
        let environment = Arc::clone(&self.environment);
        async move { environment.range(&start, &end, limit, reverse).map_err(read_failed) }.boxed()
    }

    fn txn(&self, txn: Txn) -> BoxFuture<'static, Result<Revision, TxnError>> {
        let (reply, outcome) = oneshot::channel();
        let queued = txn.check().and_then(|()| self.queue.push(Waiting { txn, reply }));
        match queued {
            // The writer drops replies unanswered only when it dies.
            Ok(()) => async { outcome.await.unwrap_or(Err(TxnError::Closed)) }.boxed(),
            Err(refused) => ready(Err(refused)).boxed(),
        }
    }

    fn watch(&self, from: Revision) -> Result<Watch, Compacted> {
        self.log.watch(from)
    }
}

fn read_failed(error: ::heed::Error) -> Error {
    Error::Storage(Arc::new(error))
}

#[cfg(test)]
mod tests;
