//! What a transaction means, once for every implementation.

use bytes::Bytes;

use super::entry::Revision;
use super::txn::Txn;
use super::watch::{Batch, Change};

/// An implementation's view of its keys inside one exclusive section.
pub(super) trait Keyspace {
    type Error;
    /// The revision that last put `key`.
    fn modified(&self, key: &[u8]) -> Result<Option<Revision>, Self::Error>;
    fn put(&mut self, key: &Bytes, value: &Bytes, revision: Revision) -> Result<(), Self::Error>;
    /// Says whether there was such a key.
    fn delete(&mut self, key: &Bytes, revision: Revision) -> Result<bool, Self::Error>;
}

pub(super) enum Verdict {
    Conflict { key: Bytes },
    Unchanged,
    Changed(Batch),
}

/// Judges and applies a checked `txn`, giving `revision` to what it changes.
pub(super) fn apply<K: Keyspace>(
    keyspace: &mut K,
    txn: &Txn,
    revision: Revision,
) -> Result<Verdict, K::Error> {
    for guard in &txn.guards {
        if !guard.holds(keyspace.modified(guard.key())?) {
            return Ok(Verdict::Conflict { key: guard.key().clone() });
        }
    }
    let mut changes = Vec::with_capacity(txn.ops());
    for (key, value) in &txn.puts {
        keyspace.put(key, value, revision)?;
        changes.push(Change { key: key.clone(), value: Some(value.clone()) });
    }
    for key in &txn.deletes {
        if keyspace.delete(key, revision)? {
            changes.push(Change { key: key.clone(), value: None });
        }
    }
    if changes.is_empty() {
        return Ok(Verdict::Unchanged);
    }
    Ok(Verdict::Changed(Batch { revision, changes: changes.into() }))
}
