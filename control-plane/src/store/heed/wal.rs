//! The write-ahead log: two files that take turns. While one is moved to the database, the other takes the commits.

use std::io;
use std::path::Path;

use bacalhau_wal::{AppendError, Lost, Record, Segment, change};
use bytes::{Buf, BufMut, Bytes};

use super::Options;
use super::environment::{OpenError, sync_directory};
use crate::store::{Batch, Change, Revision, Txn};

/// Size of each of the two files, in bytes.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// A txn's number of changes.
const BATCH_BYTES: usize = 4;

pub(super) struct Wal {
    segments: [Segment; 2],
    active: usize,
}

/// What a log holds that the database does not, in order.
pub(super) struct Held {
    /// In the file that no longer takes commits.
    pub(super) frozen: Vec<Batch>,
    pub(super) active: Vec<Batch>,
}

impl Wal {
    /// Opens the log of a database that holds everything up to `stored`, as it was left.
    pub(super) fn open(
        directory: &Path,
        options: Options,
        stored: Revision,
    ) -> Result<(Self, Held), OpenError> {
        let (first, first_held) = open_segment(directory, "wal.0", options)?;
        let (second, second_held) = open_segment(directory, "wal.1", options)?;
        let synced = sync_directory(directory);
        synced.map_err(|source| OpenError::Log { path: directory.to_owned(), source })?;
        let start = |held: &[Batch]| held.first().map(|batch| batch.revision);
        let (active, older, newer) = if start(&first_held) > start(&second_held) {
            (0, second_held, first_held)
        } else {
            (1, first_held, second_held)
        };
        let frozen = after(older, stored)?;
        let reached = frozen.last().map_or(stored, |batch| batch.revision);
        let held = Held { active: after(newer, reached)?, frozen };
        let mut wal = Self { segments: [first, second], active };
        wal.is_whole(held.active.last().map_or(reached, |batch| batch.revision))?;
        if held.active.is_empty() {
            wal.segments[active].restart();
        }
        Ok((wal, held))
    }

    /// Whether nothing after `last`, up to where the files were read, is behind damage.
    fn is_whole(&self, last: Revision) -> Result<(), OpenError> {
        for segment in &self.segments {
            let path = segment.path();
            let lost = segment.lost_after(last + 1);
            let lost = lost.map_err(|source| OpenError::Log { path: path.to_owned(), source })?;
            if let Some(Lost { offset, last: to }) = lost {
                return Err(OpenError::Damaged { path: path.to_owned(), offset, from: last + 1, to });
            }
        }
        Ok(())
    }

    /// At most this much is needed to append these.
    pub(super) fn bound<'t>(txns: impl Iterator<Item = &'t Txn>) -> usize {
        txns.map(|txn| BATCH_BYTES + txn.ops() * change::OVERHEAD_BYTES + txn.bytes()).sum()
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.segments[self.active].has_room(bytes)
    }

    pub(super) fn used(&self) -> u64 {
        self.segments[self.active].used()
    }

    /// Begins the other file anew: the database must hold all that is in it.
    pub(super) fn rotate(&mut self) {
        self.active = 1 - self.active;
        self.segments[self.active].restart();
    }

    /// Returns once the batches are as durable as the options say: all of them or, after a crash, perhaps none.
    pub(super) fn append(&mut self, batches: &[Batch]) -> Result<(), AppendError> {
        // What follows a record that may or may not be there must not be in the other file.
        if self.segments.iter().any(Segment::is_broken) {
            return Err(AppendError::Broken);
        }
        let first = batches.first().map_or(0, |batch| batch.revision);
        self.segments[self.active].append(first, count(batches.len()), &encode(batches))
    }
}

fn open_segment(directory: &Path, name: &str, options: Options) -> Result<(Segment, Vec<Batch>), OpenError> {
    let path = directory.join(name);
    let failed = |source| OpenError::Log { path: path.clone(), source };
    let (segment, records) =
        Segment::open(path.clone(), SEGMENT_BYTES, options.durability).map_err(failed)?;
    let batches = records.into_iter().map(decode).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    Ok((segment, batches.into_iter().flatten().collect()))
}

/// The batches after `stored`, which must go on from it.
fn after(mut batches: Vec<Batch>, stored: Revision) -> Result<Vec<Batch>, OpenError> {
    batches.retain(|batch| batch.revision > stored);
    match batches.first() {
        Some(next) if next.revision > stored + 1 => {
            Err(OpenError::Gap { from: stored + 1, to: next.revision - 1 })
        }
        _ => Ok(batches),
    }
}

fn encode(batches: &[Batch]) -> Vec<u8> {
    let changes = batches.iter().flat_map(|batch| batch.changes.iter());
    let bytes = changes.map(|change| {
        change::OVERHEAD_BYTES + change.key.len() + change.value.as_ref().map_or(0, Bytes::len)
    });
    let mut body = Vec::with_capacity(BATCH_BYTES * batches.len() + bytes.sum::<usize>());
    for batch in batches {
        body.put_u32(count(batch.changes.len()));
        for Change { key, value } in batch.changes.iter() {
            change::put(&mut body, key, value.as_deref());
        }
    }
    body
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a group is smaller than a segment")
}

/// A record's checksum holds, so this is what was once encoded.
fn decode(record: Record) -> io::Result<Vec<Batch>> {
    let revisions = record.first..record.end();
    let mut body = record.body;
    let batch = |revision| {
        let changes = body.try_get_u32().map_err(io::Error::other)?;
        let changes = (0..changes).map(|_| {
            let (key, value) = change::take(&mut body).map_err(io::Error::other)?;
            Ok(Change { key, value })
        });
        Ok(Batch { revision, changes: changes.collect::<io::Result<_>>()? })
    };
    revisions.map(batch).collect()
}

#[cfg(test)]
mod tests;
