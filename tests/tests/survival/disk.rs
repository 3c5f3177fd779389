//! Records what reaches the files of a directory, and gives back what a disk may hold of them after a power cut.
//!
//! The test binary defines libc's write and sync functions itself, so LMDB and the standard library, which are linked into
//! it, call these. They do the real thing and take notes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::{fs, slice};

use bacalhau_tests::chance::Chance;

pub(crate) enum Event {
    /// `through`: the file was opened with `O_DSYNC`, so this write, and only this one, is durable when it returns.
    Write {
        file: PathBuf,
        offset: u64,
        data: Vec<u8>,
        through: bool,
    },
    Sync {
        file: PathBuf,
    },
    /// A caller has been told that the commit with this number is durable.
    Acknowledged(u64),
}

/// By path.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A directory's files as they were, and everything that happened to them since.
pub(crate) struct Recording {
    directory: PathBuf,
    before: Files,
}

impl Recording {
    /// Records from now on. What the files hold already is taken to be durable.
    pub(crate) fn start(directory: &Path) -> Self {
        let directory = directory.canonicalize().expect("the directory exists");
        let before = read_all(&directory);
        recordings().insert(directory.clone(), Vec::new());
        Self { directory, before }
    }

    pub(crate) fn acknowledged(&self, number: u64) {
        note(&self.directory, Event::Acknowledged(number));
    }

    /// Ends the recording, after making sure that nothing was written past it.
    pub(crate) fn finish(self) -> History {
        let events = recordings().remove(&self.directory).expect("the recording was started");
        let mut disks = Disks::new(&self.before);
        events.iter().for_each(|event| disks.perform(event));
        disks.files.values_mut().for_each(Disk::sync);
        for (file, content) in read_all(&self.directory) {
            // LMDB's lock file is mapped, and made anew by whoever opens the store next.
            if !file.ends_with("lock.mdb") {
                let told = disks.files.get(&file).is_some_and(|disk| disk.durable == content);
                assert!(told, "{} was changed by a call that is not recorded", file.display());
            }
        }
        History { before: self.before, events }
    }
}

fn read_all(directory: &Path) -> Files {
    let entries = fs::read_dir(directory).expect("the directory can be listed");
    let paths = entries.map(|entry| entry.expect("the directory can be listed").path());
    paths.map(|path| (path.clone(), fs::read(&path).expect("files can be read"))).collect()
}

pub(crate) struct History {
    before: Files,
    pub(crate) events: Vec<Event>,
}

/// What a power cut leaves behind.
pub(crate) struct Wreck {
    /// During which event it happened.
    pub(crate) cut: usize,
    pub(crate) files: Files,
    /// The number of the last commit acknowledged before.
    pub(crate) acknowledged: u64,
}

impl History {
    /// What is left after power cuts at `count` random moments.
    pub(crate) fn cuts<'h>(
        &'h self,
        count: usize,
        chance: &'h mut Chance,
    ) -> impl Iterator<Item = Wreck> + 'h {
        let mut cuts: Vec<_> = (0..count).map(|_| chance.index(self.events.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut disks, mut done) = (Disks::new(&self.before), 0);
        cuts.into_iter().map(move |cut| {
            self.events[done..cut].iter().for_each(|event| disks.perform(event));
            done = cut;
            let mut disks = disks.clone();
            if let Some(Event::Write { file, offset, data, .. }) = self.events.get(cut) {
                disks.file(file).write(*offset, data);
            }
            Wreck { cut, acknowledged: disks.acknowledged, files: disks.lose_power(chance) }
        })
    }
}

#[derive(Clone)]
struct Disks {
    files: BTreeMap<PathBuf, Disk>,
    acknowledged: u64,
}

impl Disks {
    fn new(before: &Files) -> Self {
        let disks = before.iter().map(|(file, content)| (file.clone(), Disk::new(content.clone())));
        Self { files: disks.collect(), acknowledged: 0 }
    }

    fn file(&mut self, file: &Path) -> &mut Disk {
        self.files.get_mut(file).expect("no file is made while recording")
    }

    fn perform(&mut self, event: &Event) {
        match event {
            Event::Write { file, offset, data, through } => {
                let disk = self.file(file);
                let touched = disk.write(*offset, data);
                if *through {
                    touched.for_each(|sector| disk.keep_latest(sector));
                }
            }
            Event::Sync { file } => self.file(file).sync(),
            Event::Acknowledged(number) => self.acknowledged = *number,
        }
    }

    fn lose_power(self, chance: &mut Chance) -> Files {
        self.files.into_iter().map(|(file, disk)| (file, disk.lose_power(chance))).collect()
    }
}

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;
/// What the kernel writes back at once, though perhaps torn between sectors.
const SECTORS_PER_PAGE: usize = 8;

type Sector = [u8; SECTOR];

#[derive(Clone)]
struct Disk {
    durable: Vec<u8>,
    /// Per sector number every content since it was last durable; any of them may be on the disk, in any combination.
    cached: BTreeMap<usize, Vec<Sector>>,
}

impl Disk {
    fn new(durable: Vec<u8>) -> Self {
        Self { durable, cached: BTreeMap::new() }
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

/// Per recorded directory, what happened in it.
static RECORDINGS: Mutex<BTreeMap<PathBuf, Vec<Event>>> = Mutex::new(BTreeMap::new());

fn recordings() -> MutexGuard<'static, BTreeMap<PathBuf, Vec<Event>>> {
    RECORDINGS.lock().expect("nothing panics while holding the recordings")
}

fn note(directory: &Path, event: Event) {
    if let Some(events) = recordings().get_mut(directory) {
        events.push(event);
    }
}

/// The file that `fd` is open on, if its directory is recorded.
fn recorded(fd: c_int) -> Option<PathBuf> {
    if recordings().is_empty() {
        return None;
    }
    let file = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    recordings().contains_key(file.parent()?).then_some(file)
}

fn note_write(fd: c_int, offset: u64, data: Vec<u8>) {
    if let Some(file) = recorded(fd) {
        // SAFETY: asks for flags only.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        let directory = file.parent().expect("a file lies in a directory").to_owned();
        note(&directory, Event::Write { file, offset, data, through: flags & libc::O_DSYNC != 0 });
    }
}

fn note_sync(fd: c_int) {
    if let Some(file) = recorded(fd) {
        let directory = file.parent().expect("a file lies in a directory").to_owned();
        note(&directory, Event::Sync { file });
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
