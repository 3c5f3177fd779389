//! The embedded store: one directory, one process.
//!
//! A transaction is acknowledged, and seen by readers and watchers, only when it is on disk. What waits while the disk
//! is busy shares the next sync (group commit), so the cost of durability is paid per sync and not per transaction.
//!
//! LMDB, through heed, keeps the data in order without holding it in memory, but needs two syncs and several scattered
//! writes for a commit. Hence a write-ahead log before it: a commit is one write and one sync there, and a thread of its
//! own moves the log's content to LMDB whenever there is enough of it. The order of reading: layers, then database.

mod checkpoint;
mod environment;
mod layers;
mod queue;
mod snapshot;
mod wal;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

pub use bacalhau_wal::Durability;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::sync::oneshot;

use self::checkpoint::Checkpointer;
use self::environment::Environment;
pub use self::environment::{MAX_MAP_BYTES, OpenError};
use self::layers::Layers;
pub use self::queue::{MAX_WAITING_BYTES, MAX_WAITING_TXNS};
use self::queue::{Queue, Waiting};
pub use self::wal::SEGMENT_BYTES;
use self::wal::Wal;
use self::writer::Writer;
use super::watch::Log;
use super::{Compacted, Entry, Error, Queued, Range, Revision, Store, Txn, TxnError, Watch};

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Address space reserved at first; it doubles when the data outgrows it. Rounded up to whole pages.
    pub map_bytes: usize,
    /// How much of the write-ahead log may be in use before it is moved to the database. More makes for fewer database
    /// commits, more memory, and a longer start.
    pub checkpoint_bytes: u64,
    /// What an acknowledged transaction survives.
    pub durability: Durability,
}

impl Default for Options {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { map_bytes: 64 * MIB, checkpoint_bytes: MIB as u64, durability: Durability::Disk }
    }
}

pub struct HeedStore {
    environment: Arc<Environment>,
    layers: Arc<Layers>,
    queue: Arc<Queue>,
    log: Arc<Log>,
    writer: Option<JoinHandle<()>>,
    checkpointer: Option<JoinHandle<()>>,
}

impl HeedStore {
    /// Opens the store in `directory`, which is made if there is none. Costs the same however much it holds.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        let environment = Arc::new(Environment::open(directory, options)?);
        let stored = environment.read(|txn| environment.stored_revision(txn))?;
        let (wal, held) = Wal::open(directory, options, stored)?;
        let layers = Arc::new(Layers::restored(stored, &held));
        let (queue, log) = (Arc::new(Queue::default()), Log::new(layers.view().revision));
        let checkpointer =
            Checkpointer { environment: Arc::clone(&environment), layers: Arc::clone(&layers) };
        let writer = Writer {
            environment: Arc::clone(&environment),
            layers: Arc::clone(&layers),
            wal,
            checkpoint_bytes: options.checkpoint_bytes,
            queue: Arc::clone(&queue),
            log: Arc::clone(&log),
        };
        let checkpointer = Some(spawn("store-checkpoint", || checkpointer.run())?);
        let writer = Some(spawn("store-writer", || writer.run())?);
        Ok(Self { environment, layers, queue, log, writer, checkpointer })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(OpenError::Thread)
}

impl Drop for HeedStore {
    /// Commits what is queued, then closes.
    fn drop(&mut self) {
        self.queue.close();
        join(self.writer.take());
        self.layers.close();
        join(self.checkpointer.take());
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("a thread of the store had panicked");
    }
}

impl Store for HeedStore {
    fn get(&self, key: Bytes) -> BoxFuture<'static, Result<Option<Entry>, Error>> {
        let (environment, layers) = (Arc::clone(&self.environment), Arc::clone(&self.layers));
        async move {
            breathe(1).await;
            let record = snapshot::read(&environment, &layers, |snapshot| snapshot.record(&key));
            Ok(record.map_err(read_failed)?.and_then(|record| record.entry(key)))
        }
        .boxed()
    }

    fn range(
        &self,
        start: Bytes,
        end: Bytes,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'static, Result<Range, Error>> {
        let (environment, layers) = (Arc::clone(&self.environment), Arc::clone(&self.layers));
        async move {
            let range = snapshot::read(&environment, &layers, |snapshot| {
                snapshot.range(&start, &end, limit, reverse)
            })
            .map_err(read_failed)?;
            breathe(range.entries.len().max(1)).await;
            Ok(range)
        }
        .boxed()
    }

    fn txn(&self, txn: Txn) -> Queued {
        let queued = self.txns(vec![txn]).map(|mut queued| queued.pop());
        match queued {
            Ok(Some(queued)) => queued,
            Ok(None) => ready(Err(TxnError::Closed)).boxed(),
            Err(refused) => ready(Err(refused)).boxed(),
        }
    }

    fn txns(&self, txns: Vec<Txn>) -> Result<Vec<Queued>, TxnError> {
        txns.iter().try_for_each(Txn::check)?;
        let (waiting, outcomes): (Vec<_>, Vec<_>) = txns.into_iter().map(wait_with).unzip();
        self.queue.push(waiting)?;
        Ok(outcomes.into_iter().map(answered).collect())
    }

    fn watch(&self, from: Revision) -> Result<Watch, Compacted> {
        self.log.watch(from)
    }
}

/// Entries that are read and understood before others get their turn.
const ENTRIES_PER_UNIT: usize = 8;

/// Reading never waits, so a caller that reads much would hold its worker, and the clock of its time limit, until it is
/// done. Every so many entries it lets others go first, as tokio's own resources do.
async fn breathe(entries: usize) {
    for _ in 0..entries.div_ceil(ENTRIES_PER_UNIT) {
        tokio::task::coop::consume_budget().await;
    }
}

fn wait_with(txn: Txn) -> (Waiting, Outcome) {
    let (reply, outcome) = oneshot::channel();
    (Waiting { txn, reply }, outcome)
}

/// The writer drops replies unanswered only when it dies.
fn answered(outcome: Outcome) -> Queued {
    async { outcome.await.unwrap_or(Err(TxnError::Closed)) }.boxed()
}

type Outcome = oneshot::Receiver<Result<Revision, TxnError>>;

fn read_failed(error: ::heed::Error) -> Error {
    Error::Storage(Arc::new(error))
}

#[cfg(test)]
mod tests;
