use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Bound;

use ::heed::RoTxn;
use bytes::Bytes;

use super::environment::{Environment, Found};
use super::layers::{Layer, Layers, Record, View};
use crate::store::apply::Keyspace;
use crate::store::{Range, Revision};

/// The whole store at one revision: the layers over the database.
pub(super) struct Snapshot<'s> {
    pub(super) view: View,
    environment: &'s Environment,
    txn: &'s RoTxn<'s>,
}

/// Calls `read` with the store as it is now.
pub(super) fn read<T>(
    environment: &Environment,
    layers: &Layers,
    mut read: impl FnMut(Snapshot<'_>) -> Result<T, ::heed::Error>,
) -> Result<T, ::heed::Error> {
    loop {
        let outcome = environment.read(|txn| {
            let view = layers.view();
            // A checkpoint may have ended since the transaction began, and its layer be gone.
            if environment.stored_revision(txn)? < view.checkpoint {
                return Ok(None);
            }
            read(Snapshot { view, environment, txn }).map(Some)
        })?;
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
    }
}

impl Snapshot<'_> {
    pub(super) fn record(&self, key: &[u8]) -> Result<Option<Record>, ::heed::Error> {
        let frozen = || self.view.frozen.as_ref().and_then(|frozen| frozen.layer.get(key));
        match self.view.active.get(key).or_else(frozen) {
            Some(record) => Ok(Some(record.clone())),
            None => self.environment.record(self.txn, key),
        }
    }

    pub(super) fn range(
        &self,
        start: &[u8],
        end: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Range, ::heed::Error> {
        let revision = self.view.revision;
        if !end.is_empty() && start >= end {
            return Ok(Range { entries: Vec::new(), revision, more: false });
        }
        // LMDB knows no empty key, not even to start from.
        let lower = if start.is_empty() { Bound::Unbounded } else { Bound::Included(start) };
        let upper = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        let bounds = (lower, upper);
        let mut found = self.environment.records(self.txn, bounds, reverse)?;
        let frozen = self.view.frozen.as_ref().map(|frozen| &frozen.layer);
        for layer in frozen.into_iter().chain([&self.view.active]) {
            found = Box::new(merge(in_layer(layer, bounds, reverse), found, reverse));
        }
        let entries = found.filter_map(|found| found.map(|(key, record)| record.entry(key)).transpose());
        Range::collect(entries, limit, revision)
    }
}

/// Changes go to the active layer of this snapshot only.
impl Keyspace for Snapshot<'_> {
    type Error = ::heed::Error;

    fn modified(&self, key: &[u8]) -> Result<Option<Revision>, ::heed::Error> {
        let record = self.record(key)?;
        Ok(record.filter(|record| record.value.is_some()).map(|record| record.revision))
    }

    fn put(&mut self, key: &Bytes, value: &Bytes, revision: Revision) -> Result<(), ::heed::Error> {
        self.view.active.insert(key.clone(), Record { revision, value: Some(value.clone()) });
        Ok(())
    }

    fn delete(&mut self, key: &Bytes, revision: Revision) -> Result<bool, ::heed::Error> {
        let existed = self.modified(key)?.is_some();
        if existed {
            self.view.active.insert(key.clone(), Record { revision, value: None });
        }
        Ok(existed)
    }
}

pub(super) type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);

fn in_layer<'l>(layer: &'l Layer, bounds: Bounds<'_>, reverse: bool) -> Box<dyn Iterator<Item = Found> + 'l> {
    let found = layer.range::<_, [u8]>(bounds).map(|(key, record)| Ok((key.clone(), record.clone())));
    if reverse { Box::new(found.rev()) } else { Box::new(found) }
}

/// Both in one order; of a key in both, the newer's.
fn merge(
    newer: impl Iterator<Item = Found>,
    older: impl Iterator<Item = Found>,
    reverse: bool,
) -> impl Iterator<Item = Found> {
    let (mut newer, mut older) = (newer.peekable(), older.peekable());
    std::iter::from_fn(move || next_of(&mut newer, &mut older, reverse))
}

fn next_of(
    newer: &mut Peekable<impl Iterator<Item = Found>>,
    older: &mut Peekable<impl Iterator<Item = Found>>,
    reverse: bool,
) -> Option<Found> {
    let (Some(Ok((new, _))), Some(Ok((old, _)))) = (newer.peek(), older.peek()) else {
        // One is at its end, or has an error to tell.
        return older.next_if(Result::is_err).or_else(|| newer.next()).or_else(|| older.next());
    };
    let order = if reverse { old.cmp(new) } else { new.cmp(old) };
    match order {
        Ordering::Less => newer.next(),
        Ordering::Greater => older.next(),
        Ordering::Equal => {
            older.next();
            newer.next()
        }
    }
}
