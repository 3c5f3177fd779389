//! The key-value store everything durable lives in, shaped like etcd: ordered keys, guarded transactions, one revision
//! per transaction that changes something, and a watch from any revision that is still in the log.
//!
//! A working set is a [`Store::range`] at revision R followed by a [`Store::watch`] from R + 1. When several ranges are
//! needed to read it, watch from the first one's R + 1 and skip changes older than the entry already held.

mod apply;
mod entry;
mod error;
pub mod heed;
pub mod memory;
#[cfg(test)]
mod suite;
mod txn;
mod watch;

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use self::entry::{Entry, Range, Revision, prefix_end};
pub use self::error::{Error, TxnError};
pub use self::heed::HeedStore;
pub use self::memory::MemoryStore;
pub use self::txn::{Guard, MAX_KEY_BYTES, MAX_TXN_BYTES, MAX_TXN_OPS, MAX_VALUE_BYTES, Txn};
pub use self::watch::{Batch, Change, Compacted, MAX_LOG_BATCHES, MAX_LOG_BYTES, Watch};

/// The outcome of a transaction that is queued.
pub type Queued = BoxFuture<'static, Result<Revision, TxnError>>;

/// An ordered, durable map with revisions. No method blocks for longer than it takes to read the pages asked for.
pub trait Store: Send + Sync + 'static {
    /// The entry at `key`, if there is one.
    fn get(&self, key: Bytes) -> BoxFuture<'static, Result<Option<Entry>, Error>>;

    /// Up to `limit` entries with `start <= key < end` as of one revision, in ascending order or, with `reverse`, in
    /// descending order. An empty `end` means "to the last key". Memory is bounded by `limit` only.
    fn range(
        &self,
        start: Bytes,
        end: Bytes,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'static, Result<Range, Error>>;

    /// Applies `txn` if all its guards hold, else changes nothing.
    ///
    /// It is queued before this returns, so transactions take effect in the order of the calls; the future only waits
    /// until the outcome is durable and may be dropped without recalling the transaction. A transaction that changes
    /// nothing (no puts, and deletes of absent keys only) gets the current revision and is not seen by watchers.
    fn txn(&self, txn: Txn) -> Queued;

    /// As [`Store::txn`] for each, one after the other, for a change that is too large for one transaction. What breaks
    /// a limit, or finds no room in the queue, is refused at once, and then none of them is queued.
    fn txns(&self, txns: Vec<Txn>) -> Result<Vec<Queued>, TxnError> {
        txns.iter().try_for_each(Txn::check)?;
        Ok(txns.into_iter().map(|txn| self.txn(txn)).collect())
    }

    /// Every batch from revision `from` on, which may lie in the future.
    fn watch(&self, from: Revision) -> Result<Watch, Compacted>;
}
