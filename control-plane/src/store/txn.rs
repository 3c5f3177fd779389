use std::collections::BTreeSet;

use bytes::Bytes;

use super::entry::Revision;
use super::error::TxnError;

/// Longest key, in bytes. LMDB takes 511; hash what users name.
pub const MAX_KEY_BYTES: usize = 480;
/// Longest value, in bytes. Larger things are blobs.
pub const MAX_VALUE_BYTES: usize = 512 * 1024;
/// Most guards, and most puts and deletes together, of one transaction. etcd's default is 128 of each.
pub const MAX_TXN_OPS: usize = 100;
/// Most bytes of keys and values in one transaction, guards included. etcd's default request limit is 1.5 MiB.
pub const MAX_TXN_BYTES: usize = 1024 * 1024;

/// What must be true of the store for a transaction to take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// There is no such key.
    Absent(Bytes),
    /// The key was last put by exactly this revision.
    At(Bytes, Revision),
    /// There is such a key.
    Exists(Bytes),
}

impl Guard {
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Absent(key) | Self::At(key, _) | Self::Exists(key) => key,
        }
    }

    /// Whether it holds for a key last put at `found`.
    pub(super) fn holds(&self, found: Option<Revision>) -> bool {
        match self {
            Self::Absent(_) => found.is_none(),
            Self::At(_, revision) => found == Some(*revision),
            Self::Exists(_) => found.is_some(),
        }
    }
}

/// Changes that take effect together, or not at all when a guard fails. Each key may be put or deleted once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    pub guards: Vec<Guard>,
    pub puts: Vec<(Bytes, Bytes)>,
    pub deletes: Vec<Bytes>,
}

impl Txn {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    #[must_use]
    pub fn absent(self, key: impl Into<Bytes>) -> Self {
        self.guard(Guard::Absent(key.into()))
    }

    #[must_use]
    pub fn at(self, key: impl Into<Bytes>, revision: Revision) -> Self {
        self.guard(Guard::At(key.into(), revision))
    }

    #[must_use]
    pub fn exists(self, key: impl Into<Bytes>) -> Self {
        self.guard(Guard::Exists(key.into()))
    }

    #[must_use]
    pub fn put(mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.puts.push((key.into(), value.into()));
        self
    }

    #[must_use]
    pub fn delete(mut self, key: impl Into<Bytes>) -> Self {
        self.deletes.push(key.into());
        self
    }

    /// Puts and deletes together: what counts against [`MAX_TXN_OPS`].
    pub fn ops(&self) -> usize {
        self.puts.len() + self.deletes.len()
    }

    /// What counts against [`MAX_TXN_BYTES`].
    pub fn bytes(&self) -> usize {
        let values: usize = self.puts.iter().map(|(_, value)| value.len()).sum();
        let keys: usize = self.keys().map(Bytes::len).sum();
        keys + values
    }

    /// Refuses what no store takes, before it is queued.
    pub(crate) fn check(&self) -> Result<(), TxnError> {
        at_most("the number of guards of a transaction", self.guards.len(), MAX_TXN_OPS)?;
        at_most("the number of changes of a transaction", self.ops(), MAX_TXN_OPS)?;
        for key in self.keys() {
            at_most("the length of a key in bytes", key.len(), MAX_KEY_BYTES)?;
            if key.is_empty() {
                return Err(TxnError::EmptyKey);
            }
        }
        for (_, value) in &self.puts {
            at_most("the length of a value in bytes", value.len(), MAX_VALUE_BYTES)?;
        }
        at_most("the size of a transaction in bytes", self.bytes(), MAX_TXN_BYTES)?;
        self.check_distinct()
    }

    fn check_distinct(&self) -> Result<(), TxnError> {
        let mut seen = BTreeSet::new();
        match self.changed_keys().find(|key| !seen.insert(*key)) {
            Some(key) => Err(TxnError::Duplicate { key: key.clone() }),
            None => Ok(()),
        }
    }

    fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.guards.iter().map(Guard::key).chain(self.changed_keys())
    }

    fn changed_keys(&self) -> impl Iterator<Item = &Bytes> {
        self.puts.iter().map(|(key, _)| key).chain(&self.deletes)
    }
}

fn at_most(what: &'static str, actual: usize, limit: usize) -> Result<(), TxnError> {
    if actual > limit { Err(TxnError::Limit { what, actual, limit }) } else { Ok(()) }
}
