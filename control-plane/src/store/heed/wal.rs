//! The write-ahead log: what makes a commit durable in one sync.
//!
//! Two files of fixed size take turns. They are filled with zeros once, so that a commit overwrites blocks the file
//! system has long since allocated and its sync writes no metadata. A file begins anew when the database holds all that
//! is in it; what it held then still follows, and is told apart by its revisions, which do not go on from the last.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes, TryGetError};

use super::environment::{OpenError, sync_directory};
use super::{Durability, Options};
use crate::store::{Batch, Change, Revision, Txn};

/// Size of each of the two files, in bytes.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// crc, length of the body, first revision.
const HEADER_BYTES: usize = 4 + 4 + 8;
/// A txn's number of changes.
const BATCH_BYTES: usize = 4;
/// A change's lengths of key and value.
const CHANGE_BYTES: usize = 2 + 4;
/// Instead of a value's length: it was deleted.
const DELETED: u32 = u32::MAX;

pub(super) struct Wal {
    segments: [Segment; 2],
    active: usize,
    used: u64,
    durability: Durability,
    /// After a failed write or sync nobody knows what the file holds.
    broken: bool,
}

struct Segment {
    file: File,
    path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error("writing to {} failed", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the write-ahead log failed before: restart to read back what it holds")]
    Broken,
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
        let segments = [
            Segment::open(directory.join("wal.0"), options)?,
            Segment::open(directory.join("wal.1"), options)?,
        ];
        let synced = sync_directory(directory);
        synced.map_err(|source| OpenError::Log { path: directory.to_owned(), source })?;
        let [first, second] = [segments[0].read()?, segments[1].read()?];
        let (active, older, newer) =
            if first.start() > second.start() { (0, second, first) } else { (1, first, second) };
        let frozen = older.after(stored)?;
        let reached = frozen.last().map_or(stored, |batch| batch.revision);
        let held = Held { active: newer.after(reached)?, frozen };
        let used = if held.active.is_empty() { 0 } else { newer.bytes };
        Ok((Self { segments, active, used, durability: options.durability, broken: false }, held))
    }

    /// At most this much is needed to append these.
    pub(super) fn bound<'t>(txns: impl Iterator<Item = &'t Txn>) -> u64 {
        let bodies: usize = txns.map(|txn| BATCH_BYTES + txn.ops() * CHANGE_BYTES + txn.bytes()).sum();
        (HEADER_BYTES + bodies) as u64
    }

    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.used + bytes <= SEGMENT_BYTES
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Begins the other file anew: the database must hold all that is in it.
    pub(super) fn rotate(&mut self) {
        self.active = 1 - self.active;
        self.used = 0;
    }

    /// Returns once the batches are as durable as the options say: all of them or, after a crash, perhaps none.
    pub(super) fn append(&mut self, batches: &[Batch]) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Broken);
        }
        let record = encode(batches);
        let Segment { file, path } = &self.segments[self.active];
        let written = file.write_all_at(&record, self.used).and_then(|()| match self.durability {
            Durability::Disk => file.sync_data(),
            Durability::PageCache => Ok(()),
        });
        if let Err(source) = written {
            self.broken = true;
            return Err(AppendError::Write { path: path.clone(), source });
        }
        self.used += record.len() as u64;
        Ok(())
    }
}

impl Segment {
    /// Makes sure that the file has its size, and that what is read from it is on disk: a process that was killed may have
    /// left its last write in the page cache only.
    fn open(path: PathBuf, options: Options) -> Result<Self, OpenError> {
        let opened = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let filled = opened.and_then(|file| {
            let length = file.metadata()?.len();
            if length < SEGMENT_BYTES {
                let missing = usize::try_from(SEGMENT_BYTES - length).map_err(io::Error::other)?;
                file.write_all_at(&vec![0; missing], length)?;
            }
            if options.durability == Durability::Disk {
                file.sync_all()?;
            }
            Ok(file)
        });
        match filled {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(OpenError::Log { path, source }),
        }
    }

    /// The records from the start of the file whose revisions are consecutive.
    fn read(&self) -> Result<Run, OpenError> {
        let failed = |source| OpenError::Log { path: self.path.clone(), source };
        let mut reader = BufReader::new(&self.file);
        let mut run = Run::default();
        while let Some(record) = read_record(&mut reader).map_err(failed)? {
            let (Some(next), last) = (record.batches.first(), run.batches.last()) else { break };
            if last.is_some_and(|last| next.revision != last.revision + 1) {
                break;
            }
            run.bytes += record.bytes;
            run.batches.extend(record.batches);
        }
        Ok(run)
    }
}

/// Consecutive batches, and the bytes they take in the file.
#[derive(Default)]
struct Run {
    batches: Vec<Batch>,
    bytes: u64,
}

impl Run {
    fn start(&self) -> Option<Revision> {
        self.batches.first().map(|batch| batch.revision)
    }

    /// The batches after `stored`, which must go on from it.
    fn after(&self, stored: Revision) -> Result<Vec<Batch>, OpenError> {
        let after: Vec<_> = self.batches.iter().filter(|batch| batch.revision > stored).cloned().collect();
        match after.first() {
            Some(next) if next.revision > stored + 1 => {
                Err(OpenError::Gap { from: stored + 1, to: next.revision - 1 })
            }
            _ => Ok(after),
        }
    }
}

fn encode(batches: &[Batch]) -> Vec<u8> {
    let mut record = vec![0; HEADER_BYTES];
    for batch in batches {
        record.put_u32(length(batch.changes.len()));
        for Change { key, value } in batch.changes.iter() {
            record.put_u16(u16::try_from(key.len()).expect("keys are shorter"));
            record.put_u32(value.as_ref().map_or(DELETED, |value| length(value.len())));
            record.put_slice(key);
            record.put_slice(value.as_deref().unwrap_or_default());
        }
    }
    let body = length(record.len() - HEADER_BYTES);
    let first = batches.first().map_or(0, |batch| batch.revision);
    record[4..8].copy_from_slice(&body.to_be_bytes());
    record[8..16].copy_from_slice(&first.to_be_bytes());
    let crc = crc32fast::hash(&record[4..]);
    record[..4].copy_from_slice(&crc.to_be_bytes());
    record
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a group is smaller than a segment")
}

/// The next record, if there is a whole one.
fn read_record(reader: &mut impl Read) -> io::Result<Option<Run>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(reader, &mut header)? {
        return Ok(None);
    }
    let (mut crc, mut covered) = header.split_at(4);
    let crc = crc.get_u32();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(covered);
    let (length, first) = (covered.get_u32(), covered.get_u64());
    if u64::from(length) > SEGMENT_BYTES {
        return Ok(None);
    }
    let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    if !fill(reader, &mut body)? {
        return Ok(None);
    }
    hasher.update(&body);
    if hasher.finalize() != crc {
        return Ok(None);
    }
    // The checksum holds, so this is what was once encoded.
    let batches = decode(body.into(), first).map_err(io::Error::other)?;
    Ok(Some(Run { batches, bytes: HEADER_BYTES as u64 + u64::from(length) }))
}

/// Whether there were enough bytes.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

fn decode(mut body: Bytes, first: Revision) -> Result<Vec<Batch>, TryGetError> {
    let mut batches = Vec::new();
    for revision in first.. {
        if !body.has_remaining() {
            break;
        }
        let changes = (0..body.try_get_u32()?).map(|_| decode_change(&mut body));
        let changes = changes.collect::<Result<_, _>>()?;
        batches.push(Batch { revision, changes });
    }
    Ok(batches)
}

fn decode_change(body: &mut Bytes) -> Result<Change, TryGetError> {
    let (key, value) = (body.try_get_u16()?, body.try_get_u32()?);
    let key = take(body, usize::from(key))?;
    let value = match value {
        DELETED => None,
        length => Some(take(body, usize::try_from(length).unwrap_or(usize::MAX))?),
    };
    Ok(Change { key, value })
}

fn take(body: &mut Bytes, requested: usize) -> Result<Bytes, TryGetError> {
    let available = body.remaining();
    if requested > available {
        Err(TryGetError { requested, available })
    } else {
        Ok(body.split_to(requested))
    }
}

#[cfg(test)]
mod tests;
