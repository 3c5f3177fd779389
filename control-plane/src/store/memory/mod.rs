//! A store that forgets everything when it is dropped: for tests and for measuring what the disk costs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};

use super::apply::{Keyspace, Verdict, apply};
use super::watch::Log;
use super::{Compacted, Entry, Error, Queued, Range, Revision, Store, Txn, TxnError, Watch};

pub struct MemoryStore {
    state: Mutex<State>,
    log: Arc<Log>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self { state: Mutex::default(), log: Log::new(0) }
    }

    fn commit(&self, txn: &Txn) -> Result<Revision, TxnError> {
        txn.check()?;
        let mut state = self.state();
        let next = state.revision + 1;
        let Ok(verdict) = apply(&mut state.entries, txn, next);
        match verdict {
            Verdict::Conflict { key } => Err(TxnError::Conflict { key }),
            Verdict::Unchanged => Ok(state.revision),
            Verdict::Changed(batch) => {
                state.revision = next;
                // Still under the lock, so that batches reach the log in order.
                self.log.publish(vec![batch]);
                Ok(next)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding the entries")
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.log.close();
    }
}

impl Store for MemoryStore {
    fn get(&self, key: Bytes) -> BoxFuture<'static, Result<Option<Entry>, Error>> {
        let found = self.state().entries.get(&key).cloned();
        ready(Ok(found.map(|held| held.entry(key)))).boxed()
    }

    fn range(
        &self,
        start: Bytes,
        end: Bytes,
        limit: usize,
        reverse: bool,
    ) -> BoxFuture<'static, Result<Range, Error>> {
        ready(Ok(self.state().range(start, end, limit, reverse))).boxed()
    }

    fn txn(&self, txn: Txn) -> Queued {
        ready(self.commit(&txn)).boxed()
    }

    fn watch(&self, from: Revision) -> Result<Watch, Compacted> {
        self.log.watch(from)
    }
}

#[derive(Default)]
struct State {
    revision: Revision,
    entries: Entries,
}

type Entries = BTreeMap<Bytes, Held>;

#[derive(Clone)]
struct Held {
    value: Bytes,
    revision: Revision,
}

impl Held {
    fn entry(self, key: Bytes) -> Entry {
        Entry { key, value: self.value, revision: self.revision }
    }
}

impl State {
    fn range(&self, start: Bytes, end: Bytes, limit: usize, reverse: bool) -> Range {
        if !end.is_empty() && start >= end {
            return Range { entries: Vec::new(), revision: self.revision, more: false };
        }
        let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        let found = self
            .entries
            .range((Bound::Included(start), upper))
            .map(|(key, held)| Ok::<_, Infallible>(held.clone().entry(key.clone())));
        let Ok(range) = if reverse {
            Range::collect(found.rev(), limit, self.revision)
        } else {
            Range::collect(found, limit, self.revision)
        };
        range
    }
}

impl Keyspace for Entries {
    type Error = Infallible;

    fn modified(&self, key: &[u8]) -> Result<Option<Revision>, Infallible> {
        Ok(self.get(key).map(|held| held.revision))
    }

    fn put(&mut self, key: &Bytes, value: &Bytes, revision: Revision) -> Result<(), Infallible> {
        self.insert(key.clone(), Held { value: value.clone(), revision });
        Ok(())
    }

    fn delete(&mut self, key: &Bytes, _revision: Revision) -> Result<bool, Infallible> {
        Ok(self.remove(key).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite;

    suite::run_on!(|| (Arc::new(MemoryStore::new()), ()));
}
