//! How long things stay on the device that nobody may ever ask for.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::{durable, tree};

/// What a directory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files or directories in it.
    pub entries: usize,
    /// Bytes of all files below it.
    pub bytes: u64,
}

/// Archives of results and directories of ended executions: a gigabyte of each.
impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1000, bytes: 1 << 30 }
    }
}

/// A directory whose oldest entries make room for new ones. Only its own entries count; age is the order in which they
/// came or were used, since the device's clock means nothing.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    limits: Limits,
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
        let shelf = Self { directory: directory.to_owned(), limits, contents: Mutex::default() };
        for (name, size) in list(directory)? {
            shelf.put(&name, size);
        }
        Ok(shelf)
    }

    /// Counts an entry that has come, or come again with another size, and removes the oldest others while there are
    /// too many. Blocks on the disk only to remove.
    pub fn put(&self, name: &str, size: u64) {
        for old in self.count(name, size) {
            let path = self.directory.join(&old);
            if let Err(error) = tree::remove(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot be removed to make room");
            }
        }
    }

    /// Measures an entry that has come, if it is there, and counts it; one that cannot be measured is removed. Blocks on
    /// the disk.
    pub fn take(&self, name: &str) {
        let path = self.directory.join(name);
        match tree::size(&path) {
            Ok(size) => self.put(name, size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => discard(&path, &error),
        }
    }

    /// An entry that is there is used, so others go before it.
    pub fn touch(&self, name: &str) {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = contents.entries.iter().rposition(|(known, _)| known == name)
            && let Some(entry) = contents.entries.remove(position)
        {
            contents.entries.push_back(entry);
        }
    }

    /// Counts an entry no longer, because it is in use.
    pub fn claim(&self, name: &str) {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = contents.entries.iter().position(|(known, _)| known == name) {
            contents.remove(position);
        }
    }

    fn count(&self, name: &str, size: u64) -> Vec<String> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = contents.entries.iter().rposition(|(known, _)| known == name) {
            contents.remove(position);
        }
        contents.bytes += size;
        contents.entries.push_back((name.to_owned(), size));
        let mut dropped = Vec::new();
        while contents.entries.len() > 1
            && (contents.entries.len() > self.limits.entries || contents.bytes > self.limits.bytes)
        {
            dropped.extend(contents.remove(0));
        }
        dropped
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
        Self { directory, limits: Limits { entries: usize::MAX, bytes }, shelf: OnceLock::new() }
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
    fn remove(&mut self, position: usize) -> Option<String> {
        let (name, size) = self.entries.remove(position)?;
        self.bytes -= size;
        Some(name)
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
            Err(error) => discard(&entry.path(), &error),
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name, size)| (name, size)).collect())
}

fn discard(path: &Path, reason: &io::Error) {
    tracing::warn!(path = %path.display(), error = %reason, "cannot be measured, and is removed");
    if let Err(error) = tree::remove(path) {
        tracing::warn!(path = %path.display(), %error, "cannot be removed");
    }
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
        let shelf = Shelf::open(directory.path(), Limits { entries: 3, bytes: 100 }).unwrap();
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
        let shelf = Shelf::open(directory.path(), Limits { entries: 2, bytes: 100 }).unwrap();
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
        let shelf = Shelf::open(directory.path(), Limits { entries: 9, bytes: 100 }).unwrap();
        fill(&shelf, "new", 20);
        assert_eq!(names(directory.path()), ["new"]);
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
    fn what_is_in_use_stays() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path(), Limits { entries: 1, bytes: 100 }).unwrap();
        fill(&shelf, "daemon", 90);
        shelf.claim("daemon");
        fill(&shelf, "a", 20);
        fill(&shelf, "b", 20);
        assert_eq!(names(directory.path()), ["b", "daemon"]);
    }
}
