//! One file of a write-ahead log: what makes a commit durable in one sync.
//!
//! Room for the whole file is set aside when it is made, where the file system does that, so that a disk that fills up
//! stops no commit. It is filled with zeros once, a piece at a time ahead of what is written, so that nearly every commit
//! overwrites blocks that the file system has long since written, and its sync writes no metadata. It begins anew when
//! something else holds all that is in it; what it held then still follows, and is told apart by its numbers, which do not
//! go on from the last.
//!
//! A record is appended when the one before is durable, so a power cut tears the last one at most. Where records with
//! later numbers follow what cannot be read, the file is damaged, and [`Segment::lost_after`] tells.
//!
//! The control plane's store and the agent's journal keep their logs in such files; what they number is theirs.

pub mod change;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

/// What the file is, its seed, a checksum of both.
const HEAD_BYTES: usize = MAGIC.len() + 4 + 4;
/// Version 1 of this format.
const MAGIC: &[u8; 8] = b"bac-wal1";
/// Checksum of the rest of the header, checksum of the body, length of the body, first number, numbers in the record.
const HEADER_BYTES: usize = 4 + 4 + 4 + 8 + 4;

/// How much of a new file is filled with zeros: little, for a quick start.
const FIRST_BYTES: u64 = 256 * 1024;
/// How much is filled at once after that: much, since it is the sync of the file's new length that takes the time.
const PIECE_BYTES: u64 = 2 * 1024 * 1024;
/// Never-written space is passed over in such steps.
const PAGE_BYTES: usize = 4096;
/// How much of a file is filled, or looked through, at a time.
const CHUNK_BYTES: usize = 16 * PAGE_BYTES;
const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

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

/// Records that are there but cannot be reached, because what is between is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Where the damage begins: in front of it everything was read.
    pub offset: u64,
    /// The last number found behind the damage.
    pub last: u64,
}

/// One file. Records follow each other behind its head.
#[derive(Debug)]
pub struct Segment {
    file: File,
    path: PathBuf,
    /// Its own, random, and part of every checksum: nothing that a user has stored can pass for a record.
    seed: u32,
    size: u64,
    /// How far it is known to be filled.
    filled: u64,
    /// Where the next record goes.
    used: u64,
    durability: Durability,
    broken: bool,
}

impl Segment {
    /// Opens the file, or makes it, with room for `size` bytes, and reads the records that follow each other from its
    /// beginning. Makes sure that what is read is on disk: a process that was killed may have left its last write in the
    /// page cache only. That there is such a file is for the caller to make durable, by syncing its directory. A file that
    /// is no log, or whose first bytes are damaged, is [`io::ErrorKind::InvalidData`].
    pub fn open(path: PathBuf, size: u64, durability: Durability) -> io::Result<(Self, Vec<Record>)> {
        let file =
            File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path)?;
        let filled = prepare(&file, size)?;
        let seed = match read_head(&file)? {
            Some(seed) => seed,
            None => make_head(&file)?,
        };
        if durability == Durability::Disk {
            file.sync_all()?;
        }
        let mut segment = Self { file, path, seed, size, filled, used: filled, durability, broken: false };
        let records = segment.read()?;
        segment.used = HEAD_BYTES as u64 + records.iter().map(Record::size).sum::<u64>();
        Ok((segment, records))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was appended since it began, in order.
    pub fn read(&self) -> io::Result<Vec<Record>> {
        let mut reader = BufReader::new(At { file: &self.file, from: HEAD_BYTES as u64, to: self.used });
        let mut records: Vec<Record> = Vec::new();
        while let Some(record) = read_record(&mut reader, self.seed, self.size)? {
            if record.count == 0 || records.last().is_some_and(|last| last.end() != record.first) {
                break;
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Looks behind the records for later ones. `next` is the number that would come next: a power cut may have torn its
    /// record, and what the file held before has lower numbers, but anything higher was durable once. A file whose
    /// appends were not synced may have such gaps by its nature, so in it nothing is looked for.
    ///
    /// Numbers must grow slower than bytes.
    pub fn lost_after(&self, next: u64) -> io::Result<Option<Lost>> {
        if self.durability == Durability::PageCache {
            return Ok(None);
        }
        let mut last = None;
        // A header that begins in one chunk may end in the next.
        let mut chunk = vec![0; CHUNK_BYTES + HEADER_BYTES - 1];
        for from in (self.used..self.filled).step_by(CHUNK_BYTES) {
            let length = chunk.len().min(usize::try_from(self.filled - from).unwrap_or(usize::MAX));
            self.file.read_exact_at(&mut chunk[..length], from)?;
            last = last.max(self.last_later(&chunk[..length], next));
        }
        Ok(last.map(|last| Lost { offset: self.used, last }))
    }

    /// The highest number after `next` in what look like headers of this file.
    fn last_later(&self, bytes: &[u8], next: u64) -> Option<u64> {
        let mut last = None;
        for page in (0..bytes.len()).step_by(PAGE_BYTES) {
            let end = bytes.len().min(page + PAGE_BYTES);
            // Never written.
            if bytes[page..end] == ZEROS[..end - page] {
                continue;
            }
            for header in bytes[page..bytes.len().min(end + HEADER_BYTES - 1)].windows(HEADER_BYTES) {
                // Cheap, and true of next to nothing.
                let is_later = first_of(header).wrapping_sub(next).wrapping_sub(1) < self.size;
                if is_later && let Some(header) = Header::decode(header, self.seed) {
                    last = last.max(Some(header.end() - 1));
                }
            }
        }
        last
    }

    /// Bytes that its records take.
    pub fn used(&self) -> u64 {
        self.used - HEAD_BYTES as u64
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
        self.used = HEAD_BYTES as u64;
        self.broken = false;
    }

    /// Returns once the record is durable; it must have room. Its numbers go on from those of the record before, or are
    /// the first since it began.
    pub fn append(&mut self, first: u64, count: u32, body: &[u8]) -> Result<(), AppendError> {
        if self.broken {
            return Err(AppendError::Broken);
        }
        let record = encode(self.seed, first, count, body);
        if let Err(source) = self.write(&record) {
            self.broken = true;
            return Err(AppendError::Write { path: self.path.clone(), source });
        }
        self.used += record.len() as u64;
        Ok(())
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let end = self.used + record.len() as u64;
        if end > self.filled {
            let filled = filled_for(end, self.size);
            fill_up(&self.file, self.filled, filled)?;
            self.filled = filled;
        }
        self.file.write_all_at(record, self.used)?;
        match self.durability {
            Durability::Disk => self.file.sync_data(),
            Durability::PageCache => Ok(()),
        }
    }
}

/// How far a file of `size` is filled when `end` bytes of it are needed.
fn filled_for(end: u64, size: u64) -> u64 {
    let filled = if end <= FIRST_BYTES { FIRST_BYTES } else { end.next_multiple_of(PIECE_BYTES) };
    filled.min(size)
}

fn record_size(body_bytes: usize) -> u64 {
    (HEADER_BYTES + body_bytes) as u64
}

/// Sets room for `size` bytes aside and fills as much as must be. Tells how far the file is filled.
fn prepare(file: &File, size: u64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let filled = to_fill(reserve(file, size), length, size)?;
    fill_up(file, length, filled)?;
    Ok(filled)
}

fn reserve(file: &File, size: u64) -> Result<(), Errno> {
    retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, 0, size))
}

/// How far a file that reaches to `length` must be filled before it is used.
fn to_fill(reserved: Result<(), Errno>, length: u64, size: u64) -> Result<u64, Errno> {
    let filled = match reserved {
        Ok(()) => filled_for(0, size),
        // The room was set aside when the file was made; where it was not, a commit will tell.
        Err(Errno::NOSPC | Errno::DQUOT) if length > 0 => length,
        Err(full @ (Errno::NOSPC | Errno::DQUOT)) => return Err(full),
        // This file system sets nothing aside.
        Err(_) => size,
    };
    Ok(filled.max(length))
}

/// Zeros between the two.
fn fill_up(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; CHUNK_BYTES];
    for from in (from..to).step_by(CHUNK_BYTES) {
        let length = zeros.len().min(usize::try_from(to - from).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..length], from)?;
    }
    Ok(())
}

/// The file's seed; none in a file that was never used.
fn read_head(file: &File) -> io::Result<Option<u32>> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, 0)?;
    let (covered, mut checksum) = head.split_at(HEAD_BYTES - 4);
    let (magic, mut seed) = covered.split_at(MAGIC.len());
    if magic == MAGIC && crc32fast::hash(covered) == checksum.get_u32() {
        return Ok(Some(seed.get_u32()));
    }
    let mut rest = At { file, from: 0, to: file.metadata()?.len() };
    let mut page = ZEROS;
    loop {
        match rest.read(&mut page)? {
            0 => return Ok(None),
            read if page[..read] == ZEROS[..read] => {}
            _ => break,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "its first bytes are damaged, or it is no log of this version: restore its directory from a backup",
    ))
}

#[expect(clippy::disallowed_methods, reason = "the only chance there is in a log")]
fn make_head(file: &File) -> io::Result<u32> {
    let mut seed = [0; 4];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let mut head = [MAGIC.as_slice(), &seed].concat();
    head.put_u32(crc32fast::hash(&head));
    file.write_all_at(&head, 0)?;
    Ok(u32::from_be_bytes(seed))
}

fn encode(seed: u32, first: u64, count: u32, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_BYTES + body.len());
    record.put_u32(0);
    record.put_u32(crc32fast::hash(body));
    record.put_u32(u32::try_from(body.len()).expect("a record is smaller than its file"));
    record.put_u64(first);
    record.put_u32(count);
    let checksum = seeded(seed, &record[4..]);
    record[..4].copy_from_slice(&checksum.to_be_bytes());
    record.put_slice(body);
    record
}

fn seeded(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

/// What is in front of a body.
struct Header {
    body_checksum: u32,
    length: u32,
    first: u64,
    count: u32,
}

impl Header {
    /// None if these bytes are no header of this file.
    fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        let (mut checksum, mut covered) = bytes.split_at(4);
        if seeded(seed, covered) != checksum.get_u32() {
            return None;
        }
        let (body_checksum, length) = (covered.get_u32(), covered.get_u32());
        Some(Self { body_checksum, length, first: covered.get_u64(), count: covered.get_u32() })
    }

    fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }
}

/// The first number in what may be a header.
fn first_of(header: &[u8]) -> u64 {
    (&header[12..20]).get_u64()
}

/// The next record, if there is a whole one.
fn read_record(reader: &mut impl Read, seed: u32, size: u64) -> io::Result<Option<Record>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(reader, &mut header)? {
        return Ok(None);
    }
    let Some(header) = Header::decode(&header, seed).filter(|header| u64::from(header.length) <= size) else {
        return Ok(None);
    };
    let mut body = vec![0; usize::try_from(header.length).map_err(io::Error::other)?];
    if !fill(reader, &mut body)? || crc32fast::hash(&body) != header.body_checksum {
        return Ok(None);
    }
    Ok(Some(Record { first: header.first, count: header.count, body: body.into() }))
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
