//! The memory store behind a disk that takes its time, and may be full or fail. On it, memory is ahead of what is durable.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::store::{
    Compacted, Entry, Error, MemoryStore, Queued, Range, Revision, Store, Txn, TxnError, Watch,
};

pub(super) struct SlowDisk {
    store: MemoryStore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_held: bool,
    is_full: bool,
    failure: Option<TxnError>,
    waiting: VecDeque<(Txn, oneshot::Sender<Result<Revision, TxnError>>)>,
}

impl SlowDisk {
    pub(super) fn new() -> Self {
        Self { store: MemoryStore::new(), state: Mutex::default() }
    }

    /// Lets what comes wait from now on.
    pub(super) fn hold(&self) {
        self.state().is_held = true;
    }

    /// Commits what waits, in order, and what comes at once.
    pub(super) fn release(&self) {
        let mut state = self.state();
        state.is_held = false;
        for (txn, reply) in std::mem::take(&mut state.waiting) {
            let _ = reply.send(self.commit(txn, &state));
        }
    }

    /// Nothing more may wait, or it may again.
    pub(super) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// What is written fails from now on, or no more.
    pub(super) fn set_failure(&self, failure: Option<TxnError>) {
        self.state().failure = failure;
    }

    fn commit(&self, txn: Txn, state: &State) -> Result<Revision, TxnError> {
        match &state.failure {
            Some(failure) if txn.ops() > 0 => Err(failure.clone()),
            _ => self.store.txn(txn).now_or_never().unwrap(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Store for SlowDisk {
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

    fn txn(&self, txn: Txn) -> Queued {
        let (reply, outcome) = oneshot::channel();
        let mut state = self.state();
        if state.is_held {
            state.waiting.push_back((txn, reply));
        } else {
            let _ = reply.send(self.commit(txn, &state));
        }
        async { outcome.await.unwrap_or(Err(TxnError::Closed)) }.boxed()
    }

    fn txns(&self, txns: Vec<Txn>) -> Result<Vec<Queued>, TxnError> {
        if self.state().is_full {
            return Err(TxnError::Overloaded { waiting: 1 });
        }
        txns.iter().try_for_each(Txn::check)?;
        Ok(txns.into_iter().map(|txn| self.txn(txn)).collect())
    }

    fn watch(&self, from: Revision) -> Result<Watch, Compacted> {
        self.store.watch(from)
    }
}
