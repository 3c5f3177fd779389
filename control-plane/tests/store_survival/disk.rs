//! Records what reaches a file, and gives back what a disk may hold of it after a power cut.
//!
//! The test binary defines libc's write and sync functions itself, so LMDB, which is linked into it, calls these. They do
//! the real thing and take notes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::{fs, slice};

use bacalhau_control_plane::store::Revision;

use crate::workload::Chance;

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// `through`: the file was opened with `O_DSYNC`, so this write, and only this one, is durable when it returns.
    Write {
        offset: u64,
        data: Vec<u8>,
        through: bool,
    },
    Sync,
    /// The store has told its caller that this revision is durable.
    Acknowledged(Revision),
}

/// A file as it was, and everything that happened to it since.
pub(crate) struct Recording {
    file: PathBuf,
    before: Vec<u8>,
}

impl Recording {
    /// Records from now on. What the file holds already is taken to be durable.
    pub(crate) fn start(file: &Path) -> Self {
        let file = file.canonicalize().expect("the file exists");
        let before = fs::read(&file).expect("the file is readable");
        recordings().insert(file.clone(), Vec::new());
        Self { file, before }
    }

    pub(crate) fn acknowledged(&self, revision: Revision) {
        note(&self.file, Event::Acknowledged(revision));
    }

    /// Ends the recording, after making sure that nothing was written past it.
    pub(crate) fn finish(self) -> History {
        let events = recordings().remove(&self.file).expect("the recording was started");
        let mut disk = Disk::new(self.before.clone());
        events.iter().for_each(|event| disk.perform(event));
        disk.sync();
        let real = fs::read(&self.file).expect("the file is readable");
        assert!(disk.durable == real, "the file was changed by a call that is not recorded");
        History { before: self.before, events }
    }
}

pub(crate) struct History {
    before: Vec<u8>,
    pub(crate) events: Vec<Event>,
}

impl History {
    /// The file after a power cut during event number `cut`, and the last revision acknowledged before it.
    pub(crate) fn cut(&self, cut: usize, chance: &mut Chance) -> (Vec<u8>, Revision) {
        let mut disk = Disk::new(self.before.clone());
        let (done, rest) = self.events.split_at(cut);
        done.iter().for_each(|event| disk.perform(event));
        if let Some(Event::Write { offset, data, .. }) = rest.first() {
            disk.write(*offset, data);
        }
        let acknowledged = done.iter().rev().find_map(|event| match event {
            Event::Acknowledged(revision) => Some(*revision),
            _ => None,
        });
        (disk.lose_power(chance), acknowledged.unwrap_or(0))
    }
}

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;
/// What the kernel writes back at once, though perhaps torn between sectors.
const SECTORS_PER_PAGE: usize = 8;

type Sector = [u8; SECTOR];

struct Disk {
    durable: Vec<u8>,
    /// Per sector number every content since it was last durable; any of them may be on the disk, in any combination.
    cached: BTreeMap<usize, Vec<Sector>>,
}

impl Disk {
    fn new(durable: Vec<u8>) -> Self {
        Self { durable, cached: BTreeMap::new() }
    }

    fn perform(&mut self, event: &Event) {
        match event {
            Event::Write { offset, data, through } => {
                let touched = self.write(*offset, data);
                if *through {
                    touched.for_each(|sector| self.keep_latest(sector));
                }
            }
            Event::Sync => self.sync(),
            Event::Acknowledged(_) => {}
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> std::ops::Range<usize> {
        let start = usize::try_from(offset).expect("the file fits in memory");
        let end = start + data.len();
        let touched = start / SECTOR..end.div_ceil(SECTOR);
        for sector in touched.clone() {
            let mut content = self.latest(sector);
            let (from, to) = (start.max(sector * SECTOR), end.min((sector + 1) * SECTOR));
            content[from - sector * SECTOR..to - sector * SECTOR]
                .copy_from_slice(&data[from - start..to - start]);
            self.cached.entry(sector).or_default().push(content);
        }
        touched
    }

    fn latest(&self, sector: usize) -> Sector {
        if let Some(content) = self.cached.get(&sector).and_then(|contents| contents.last()) {
            return *content;
        }
        let mut content = [0; SECTOR];
        let held = self.durable.get(sector * SECTOR..).unwrap_or_default();
        let length = held.len().min(SECTOR);
        content[..length].copy_from_slice(&held[..length]);
        content
    }

    fn sync(&mut self) {
        let dirty: Vec<usize> = self.cached.keys().copied().collect();
        dirty.into_iter().for_each(|sector| self.keep_latest(sector));
    }

    fn keep_latest(&mut self, sector: usize) {
        if let Some(content) = self.cached.remove(&sector).and_then(|contents| contents.last().copied()) {
            self.keep(sector, content);
        }
    }

    fn keep(&mut self, sector: usize, content: Sector) {
        let end = (sector + 1) * SECTOR;
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[sector * SECTOR..end].copy_from_slice(&content);
    }

    /// Of each page in the cache: all, nothing, or any mix of its sectors' contents.
    fn lose_power(mut self, chance: &mut Chance) -> Vec<u8> {
        let cached = std::mem::take(&mut self.cached);
        let pages: BTreeSet<usize> = cached.keys().map(|sector| sector / SECTORS_PER_PAGE).collect();
        for page in pages {
            let fate = chance.below(3);
            for (&sector, contents) in cached.range(page * SECTORS_PER_PAGE..(page + 1) * SECTORS_PER_PAGE) {
                let kept = match fate {
                    0 => None,
                    1 => contents.last(),
                    _ => contents.get(chance.index(contents.len() + 1)),
                };
                if let Some(content) = kept {
                    self.keep(sector, *content);
                }
            }
        }
        self.durable
    }
}

/// Per recorded file, what happened to it.
static RECORDINGS: Mutex<BTreeMap<PathBuf, Vec<Event>>> = Mutex::new(BTreeMap::new());

fn recordings() -> MutexGuard<'static, BTreeMap<PathBuf, Vec<Event>>> {
    RECORDINGS.lock().expect("nothing panics while holding the recordings")
}

fn note(file: &Path, event: Event) {
    if let Some(events) = recordings().get_mut(file) {
        events.push(event);
    }
}

/// The recorded file that `fd` is open on.
fn recorded(fd: c_int) -> Option<PathBuf> {
    if recordings().is_empty() {
        return None;
    }
    let file = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    recordings().contains_key(&file).then_some(file)
}

fn note_write(fd: c_int, offset: u64, data: Vec<u8>) {
    if let Some(file) = recorded(fd) {
        // SAFETY: asks for flags only.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        note(&file, Event::Write { offset, data, through: flags & libc::O_DSYNC != 0 });
    }
}

fn note_sync(fd: c_int) {
    if let Some(file) = recorded(fd) {
        note(&file, Event::Sync);
    }
}

/// # Safety
/// As libc's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(fd: c_int, data: *const c_void, length: usize, offset: i64) -> i64 {
    // SAFETY: the caller's arguments, unchanged; what was written was readable.
    unsafe {
        let written = libc::syscall(libc::SYS_pwrite64, fd, data, length, offset);
        if let (Ok(written), Ok(offset)) = (usize::try_from(written), u64::try_from(offset)) {
            note_write(fd, offset, slice::from_raw_parts(data.cast(), written).to_vec());
        }
        written
    }
}

/// # Safety
/// As libc's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, data: *const c_void, length: usize, offset: i64) -> i64 {
    // SAFETY: the same function on 64-bit Linux.
    unsafe { pwrite64(fd, data, length, offset) }
}

/// # Safety
/// As libc's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const libc::iovec, count: c_int) -> i64 {
    // SAFETY: the caller's arguments, unchanged; what was written was readable.
    unsafe {
        let offset = libc::lseek(fd, 0, libc::SEEK_CUR);
        let written = libc::syscall(libc::SYS_writev, fd, parts, count);
        if let (Ok(written), Ok(offset), Ok(count)) =
            (usize::try_from(written), u64::try_from(offset), usize::try_from(count))
        {
            let parts = slice::from_raw_parts(parts, count).iter();
            let mut data: Vec<u8> = parts
                .flat_map(|part| slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len))
                .copied()
                .collect();
            data.truncate(written);
            note_write(fd, offset, data);
        }
        written
    }
}

/// # Safety
/// As libc's function of this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: the caller's argument, unchanged.
    if unsafe { libc::syscall(libc::SYS_fdatasync, fd) } != 0 {
        return -1;
    }
    note_sync(fd);
    0
}
