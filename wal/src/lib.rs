//! One file of a write-ahead log: what makes a commit durable in one sync.
//!
//! The file has a fixed size and is filled with zeros once, so that a commit overwrites blocks the file system has long
//! since allocated and its sync writes no metadata. It begins anew when something else holds all that is in it; what it
//! held then still follows, and is told apart by its numbers, which do not go on from the last.
//!
//! The control plane's store and the agent's journal keep their logs in such files; what they number is theirs.

pub mod change;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};

/// crc, length of the body, first number, numbers in the record.
const HEADER_BYTES: usize = 4 + 4 + 8 + 4;

/// What an appended record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    Disk,
    /// The death of the process only. A power cut may lose any number of acknowledged records: for what is thrown away,
    /// and to measure what syncing costs.
    PageCache,
}

/// Why a record may not be in the file.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk says no. Nobody knows what the file now holds behind the records before.
    #[error("writing to {} failed", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An earlier record failed.
    #[error("the write-ahead log failed before: restart to read back what it holds")]
    Broken,
}

/// What was appended at once: whole or absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The first of its numbers.
    pub first: u64,
    /// How many numbers it takes, at least one.
    pub count: u32,
    /// What it says.
    pub body: Bytes,
}

impl Record {
    /// The number that the next record begins with.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    fn size(&self) -> u64 {
        record_size(self.body.len())
    }
}

/// One file. Records follow each other from its beginning.
#[derive(Debug)]
pub struct Segment {
    file: File,
    path: PathBuf,
    size: u64,
    used: u64,
    durability: Durability,
    broken: bool,
}

impl Segment {
    /// Opens the file, or makes it, with room for `size` bytes, and reads the records that follow each other from its
    /// beginning. Makes sure that what is read is on disk: a process that was killed may have left its last write in the
    /// page cache only. That there is such a file is for the caller to make durable, by syncing its directory.
    pub fn open(path: PathBuf, size: u64, durability: Durability) -> io::Result<(Self, Vec<Record>)> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        if length < size {
            let missing = usize::try_from(size - length).map_err(io::Error::other)?;
            file.write_all_at(&vec![0; missing], length)?;
        }
        if durability == Durability::Disk {
            file.sync_all()?;
        }
        let mut segment = Self { file, path, size, used: size, durability, broken: false };
        let records = segment.read()?;
        segment.used = records.iter().map(Record::size).sum();
        Ok((segment, records))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was appended since it began, in order.
    pub fn read(&self) -> io::Result<Vec<Record>> {
        let mut reader = BufReader::new(At { file: &self.file, from: 0, to: self.used });
        let mut records: Vec<Record> = Vec::new();
        while let Some(record) = read_record(&mut reader, self.size)? {
            if record.count == 0 || records.last().is_some_and(|last| last.end() != record.first) {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Bytes that records take.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Whether a record with such a body still fits.
    pub fn has_room(&self, body_bytes: usize) -> bool {
        self.used + record_size(body_bytes) <= self.size
    }

    /// Whether an append has failed since it began.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Begins anew. Everything in it must be durable elsewhere, and later numbers must be higher than those in it.
    pub fn restart(&mut self) {
        self.used = 0;
        self.broken = false;
    }

    /// Returns once the record is durable; it must have room. Its numbers go on from those of the record before, or are
    /// the first since it began.
    pub fn append(&mut self, first: u64, count: u32, body: &[u8]) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Broken);
        }
        let record = encode(first, count, body);
        let written = self.file.write_all_at(&record, self.used).and_then(|()| match self.durability {
            Durability::Disk => self.file.sync_data(),
            Durability::PageCache => Ok(()),
        });
        if let Err(source) = written {
            self.broken = true;
            return Err(AppendError::Write { path: self.path.clone(), source });
        }
        self.used += record.len() as u64;
        Ok(())
    }
}

fn record_size(body_bytes: usize) -> u64 {
    (HEADER_BYTES + body_bytes) as u64
}

fn encode(first: u64, count: u32, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
    record.put_u32(0);
    record.put_u32(u32::try_from(body.len()).expect("a record is smaller than its file"));
    record.put_u64(first);
    record.put_u32(count);
    record.put_slice(body);
    let crc = crc32fast::hash(&record[4..]);
    record[..4].copy_from_slice(&crc.to_be_bytes());
    record
}

/// The next record, if there is a whole one.
fn read_record(reader: &mut impl Read, size: u64) -> io::Result<Option<Record>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(reader, &mut header)? {
        return Ok(None);
    }
    let (mut crc, mut covered) = header.split_at(4);
    let crc = crc.get_u32();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(covered);
    let (length, first, count) = (covered.get_u32(), covered.get_u64(), covered.get_u32());
    if u64::from(length) > size {
        return Ok(None);
    }
    let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    if !fill(reader, &mut body)? {
        return Ok(None);
    }
    hasher.update(&body);
    Ok((hasher.finalize() == crc).then(|| Record { first, count, body: body.into() }))
}

/// Whether there were enough bytes.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

/// Part of a file, read without moving the file's own position.
struct At<'f> {
    file: &'f File,
    from: u64,
    to: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.to - self.from).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..length], self.from)?;
        self.from += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
