//! How long things stay on the device that nobody may ever ask for.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::{disk, durable, tree};

/// What a directory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files or directories in it.
    pub entries: usize,
    /// Bytes of all files below it.
    pub bytes: u64,
    /// Whether all but the newest also go while the disk is as good as full.
    pub gives_way: bool,
}

/// Archives of results and directories of ended executions: a gigabyte of each.
impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1000, bytes: 1 << 30, gives_way: false }
    }
}

/// A directory whose oldest entries make room for new ones. Only its own entries count; age is the order in which they
/// came or were used, since the device's clock means nothing.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    limits: Limits,
    /// What may still be written beside the entries.
    free: fn(&Path) -> io::Result<u64>,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    /// Name and size, oldest first.
    entries: VecDeque<(String, u64)>,
    bytes: u64,
}

impl Shelf {
    /// Takes over what is in `directory` from earlier.
    pub fn open(directory: &Path, limits: Limits) -> io::Result<Self> {
        let directory = directory.to_owned();
        let shelf = Self { directory, limits, free: disk::free, contents: Mutex::default() };
        for (name, size) in list(&shelf.directory)? {
            shelf.put(&name, size);
        }
        Ok(shelf)
    }

    /// Counts an entry that has come, or come again with another size, and [makes room](Self::make_room) for it.
    pub fn put(&self, name: &str, size: u64) -> Option<String> {
        self.count(name, size);
        self.make_room()
    }

    /// Removes the oldest entries while there are too many or they are in the way, but never the newest. What cannot be removed goes on to count,
    /// so that others go in its place; the oldest such entry is returned. Blocks on the disk only to remove.
    pub fn make_room(&self) -> Option<String> {
        let mut stuck = Contents::default();
        while let Some((name, size)) = self.take_oldest(&stuck) {
            let path = self.directory.join(&name);
            if let Err(error) = tree::remove(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot be removed to make room");
                stuck.push(name, size);
            }
        }
        let oldest = stuck.entries.front().map(|(name, _)| name.clone());
        self.lock().put_back(stuck);
        oldest
    }

    /// Measures an entry that has come, if it is there, and counts it; one that cannot be measured is removed. Returns an
    /// entry that should go and cannot be removed. Blocks on the disk.
    pub fn take(&self, name: &str) -> Option<String> {
        let path = self.directory.join(name);
        match tree::size(&path) {
            Ok(size) => self.put(name, size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if is_discarded(&path, &error) => None,
            Err(_) => {
                self.put(name, 0);
                Some(name.to_owned())
            }
        }
    }

    /// An entry that is there is used, so others go before it.
    pub fn touch(&self, name: &str) {
        let mut contents = self.lock();
        if let Some(position) = contents.position(name)
            && let Some(entry) = contents.entries.remove(position)
        {
            contents.entries.push_back(entry);
        }
    }

    /// Counts an entry no longer, because it is in use.
    pub fn claim(&self, name: &str) {
        let mut contents = self.lock();
        if let Some(position) = contents.position(name) {
            contents.remove(position);
        }
    }

    fn count(&self, name: &str, size: u64) {
        let mut contents = self.lock();
        if let Some(position) = contents.position(name) {
            contents.remove(position);
        }
        contents.push(name.to_owned(), size);
    }

    /// The oldest entry if there are too many together with those that are `stuck`, or the disk is full.
    fn take_oldest(&self, stuck: &Contents) -> Option<(String, u64)> {
        let is_in_the_way = self.limits.gives_way && matches!((self.free)(&self.directory), Ok(0));
        let mut contents = self.lock();
        let is_over = contents.entries.len() + stuck.entries.len() > self.limits.entries
            || contents.bytes + stuck.bytes > self.limits.bytes;
        let must_go = is_over || is_in_the_way;
        if contents.entries.len() > 1 && must_go { contents.remove(0) } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shelf for a cache: its directory is made, and what is in it counted, when it is first needed.
#[derive(Debug)]
pub struct LazyShelf {
    directory: PathBuf,
    limits: Limits,
    shelf: OnceLock<Shelf>,
}

impl LazyShelf {
    /// For as many bytes in `directory` as this, in any number of entries. Touches nothing.
    pub fn new(directory: PathBuf, bytes: u64) -> Self {
        Self {
            directory,
            limits: Limits { entries: usize::MAX, bytes, gives_way: true },
            shelf: OnceLock::new(),
        }
    }

    /// Where the entries are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The shelf; its directory is there. Blocks on the disk the first time.
    pub fn open(&self) -> io::Result<&Shelf> {
        if let Some(shelf) = self.shelf.get() {
            return Ok(shelf);
        }
        durable::create_directory(&self.directory)?;
        let shelf = Shelf::open(&self.directory, self.limits)?;
        Ok(self.shelf.get_or_init(|| shelf))
    }
}

impl Contents {
    /// The youngest are looked at first: they are asked for most.
    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().rposition(|(known, _)| known == name)
    }

    fn push(&mut self, name: String, size: u64) {
        self.bytes += size;
        self.entries.push_back((name, size));
    }

    fn remove(&mut self, position: usize) -> Option<(String, u64)> {
        let (name, size) = self.entries.remove(position)?;
        self.bytes -= size;
        Some((name, size))
    }

    /// Makes entries the oldest ones again, except those that have come anew.
    fn put_back(&mut self, older: Self) {
        for (name, size) in older.entries.into_iter().rev() {
            if self.position(&name).is_none() {
                self.bytes += size;
                self.entries.push_front((name, size));
            }
        }
    }
}

/// Entries with their sizes, oldest first as far as the file system knows. What cannot be measured goes: it would stay
/// for ever, outside of all limits.
fn list(directory: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let modified = entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let Ok(name) = entry.file_name().into_string() else { continue };
        match tree::size(&entry.path()) {
            Ok(size) => found.push((modified, name, size)),
            Err(error) if is_discarded(&entry.path(), &error) => {}
            Err(_) => found.push((modified, name, 0)),
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name, size)| (name, size)).collect())
}

fn is_discarded(path: &Path, reason: &io::Error) -> bool {
    tracing::warn!(path = %path.display(), error = %reason, "cannot be measured, and is removed");
    let removed = tree::remove(path);
    removed.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "cannot be removed")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn fill(shelf: &Shelf, name: &str, bytes: usize) {
        fs::write(shelf.directory.join(name), vec![0; bytes]).unwrap();
        shelf.put(name, bytes as u64);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_much() {
        let directory = tempfile::tempdir().unwrap();
        let shelf =
            Shelf::open(directory.path(), Limits { entries: 3, bytes: 100, gives_way: false }).unwrap();
        for name in ["a", "b", "c", "d"] {
            fill(&shelf, name, 10);
        }
        assert_eq!(names(directory.path()), ["b", "c", "d"]);
        fill(&shelf, "e", 85);
        assert_eq!(names(directory.path()), ["d", "e"]);
        fill(&shelf, "f", 500);
        assert_eq!(names(directory.path()), ["f"], "what is new stays, however large");
    }

    #[test]
    fn what_comes_again_is_counted_once_and_is_young_again() {
        let directory = tempfile::tempdir().unwrap();
        let shelf =
            Shelf::open(directory.path(), Limits { entries: 2, bytes: 100, gives_way: false }).unwrap();
        for name in ["a", "b", "a", "c"] {
            fill(&shelf, name, 30);
        }
        assert_eq!(names(directory.path()), ["a", "c"]);
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let cache = LazyShelf::new(directory.path().join("cache"), 100);
        assert!(!cache.directory().exists());
        let shelf = cache.open().unwrap();
        for name in ["a", "b"] {
            fill(shelf, name, 40);
        }
        shelf.touch("a");
        shelf.touch("unknown");
        fill(shelf, "c", 40);
        assert_eq!(names(cache.directory()), ["a", "c"]);
    }

    #[test]
    fn what_an_earlier_process_left_counts() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("old")).unwrap();
        fs::write(directory.path().join("old/file"), vec![0; 90]).unwrap();
        let shelf =
            Shelf::open(directory.path(), Limits { entries: 9, bytes: 100, gives_way: false }).unwrap();
        fill(&shelf, "new", 20);
        assert_eq!(names(directory.path()), ["new"]);
    }

    /// Nobody can remove these names in `/proc`, while one that is not there counts as removed.
    #[test]
    fn what_cannot_be_removed_goes_on_to_count_and_others_go_in_its_place() {
        let (directory, limits) =
            (PathBuf::from("/proc"), Limits { entries: 9, bytes: 100, gives_way: false });
        let shelf = Shelf { directory, limits, free: disk::free, contents: Mutex::default() };
        let names = || shelf.lock().entries.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(shelf.put("self", 90), None);
        for young in ["young", "younger"] {
            assert_eq!(shelf.put(young, 20).as_deref(), Some("self"));
            assert_eq!((names(), shelf.lock().bytes), (vec!["self".to_owned(), young.to_owned()], 110));
        }
    }

    #[test]
    fn what_is_nested_too_deep_to_be_measured_does_not_stay() {
        let directory = tempfile::tempdir().unwrap();
        let deep = || {
            fs::create_dir(directory.path().join("deep")).unwrap();
            tree::tests::nest(&directory.path().join("deep"), 2 * tree::MAX_DEPTH);
        };
        deep();
        let shelf = Shelf::open(directory.path(), Limits::default()).unwrap();
        assert!(names(directory.path()).is_empty());
        deep();
        shelf.take("deep");
        shelf.take("nothing");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn on_a_full_disk_all_but_the_newest_go_if_they_may() {
        for gives_way in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let limits = Limits { gives_way, ..Limits::default() };
            let mut shelf = Shelf::open(directory.path(), limits).unwrap();
            fill(&shelf, "a", 10);
            fill(&shelf, "b", 10);
            shelf.free = |_| Ok(0);
            fill(&shelf, "c", 10);
            let expected: &[&str] = if gives_way { &["c"] } else { &["a", "b", "c"] };
            assert_eq!(names(directory.path()), expected);
        }
    }

    #[test]
    fn what_is_in_use_stays() {
        let directory = tempfile::tempdir().unwrap();
        let shelf =
            Shelf::open(directory.path(), Limits { entries: 1, bytes: 100, gives_way: false }).unwrap();
        fill(&shelf, "daemon", 90);
        shelf.claim("daemon");
        fill(&shelf, "a", 20);
        fill(&shelf, "b", 20);
        assert_eq!(names(directory.path()), ["b", "daemon"]);
    }
}
