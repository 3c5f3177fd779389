//! The directory: where blobs lie, what they may take, and their removal. Blocking; called from blocking threads only.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;

use super::error::Context;
use super::{BlobId, Error};
use crate::directory::private_directory;

/// What blobs may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all blobs and unfinished uploads together.
    pub quota_bytes: u64,
    /// Bytes of one blob.
    pub blob_bytes: u64,
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub files: u64,
    pub bytes: u64,
}

pub(super) struct Shelf {
    directory: PathBuf,
    pub(super) limits: Limits,
    /// Bytes used; unknown until first needed, since that reads the whole directory.
    used: Mutex<Option<u64>>,
    /// Files being written. Held while a file is moved or removed too, so that a sweep never removes what has just come.
    busy: Mutex<BTreeSet<PathBuf>>,
    unnamed: AtomicU64,
}

/// Most uploads at one time; each holds a file open.
pub const MAX_UPLOADS: usize = 512;
/// Holds blobs, by the first two digits of their id.
const BLOBS: &str = "sha256";
/// Holds what has not arrived as a whole.
const INCOMING: &str = "incoming";
/// Begins the names of files nobody can resume.
const UNNAMED: &str = "unnamed-";

impl Shelf {
    pub(super) fn open(directory: &Path, limits: Limits) -> Result<Self, Error> {
        for name in [BLOBS, INCOMING] {
            let path = directory.join(name);
            private_directory(&path).context("making directory", &path)?;
        }
        sync_directory(directory)?;
        let shelf = Self {
            directory: directory.to_owned(),
            limits,
            used: Mutex::default(),
            busy: Mutex::default(),
            unnamed: AtomicU64::default(),
        };
        for file in files(&directory.join(INCOMING))? {
            if file.file_name().to_string_lossy().starts_with(UNNAMED) {
                fs::remove_file(file.path()).context("removing", &file.path())?;
            }
        }
        Ok(shelf)
    }

    pub(super) fn place(&self, id: BlobId) -> PathBuf {
        let name = id.to_string();
        self.directory.join(BLOBS).join(&name[..2]).join(name)
    }

    pub(super) fn incoming(&self, name: &str) -> PathBuf {
        self.directory.join(INCOMING).join(name)
    }

    pub(super) fn incoming_unnamed(&self) -> PathBuf {
        self.incoming(&format!("{UNNAMED}{}", self.unnamed.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn claim(&self, path: &Path) -> Result<(), Error> {
        let mut busy = self.busy();
        if busy.len() >= MAX_UPLOADS {
            return Err(Error::Crowded { limit: MAX_UPLOADS });
        }
        if busy.insert(path.to_owned()) { Ok(()) } else { Err(Error::Busy) }
    }

    pub(super) fn unclaim(&self, path: &Path) {
        self.busy().remove(path);
    }

    /// Makes room for bytes about to be written.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Error> {
        let mut used = self.used();
        let before = match *used {
            Some(known) => known,
            None => self.measure()?,
        };
        let limit = self.limits.quota_bytes;
        if before.saturating_add(bytes) > limit {
            *used = Some(before);
            return Err(Error::Quota { used: before, limit });
        }
        *used = Some(before + bytes);
        Ok(())
    }

    pub(super) fn release(&self, bytes: u64) {
        let mut used = self.used();
        *used = used.map(|known| known.saturating_sub(bytes));
    }

    /// Moves a synced file to its place, durably. A blob that is already there is replaced by its equal, which makes it
    /// young again for the next sweep.
    pub(super) fn keep(&self, from: &Path, id: BlobId) -> Result<(), Error> {
        let place = self.place(id);
        let parent = place.parent().expect("a blob lies in a directory");
        if !parent.exists() {
            private_directory(parent).context("making directory", parent)?;
            sync_directory(&self.directory.join(BLOBS))?;
        }
        let replaced = {
            let _alone = self.busy();
            let replaced = self.size(id)?;
            fs::rename(from, &place).context("moving a blob to", &place)?;
            replaced
        };
        self.release(replaced.unwrap_or(0));
        sync_directory(parent)
    }

    /// Makes a blob that is here young again for the next sweep, and says whether it is here.
    pub(super) fn refresh(&self, id: BlobId) -> Result<bool, Error> {
        let place = self.place(id);
        let _alone = self.busy();
        match File::options().write(true).open(&place) {
            Ok(file) => touch(&file).context("touching", &place).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).context("opening", &place),
        }
    }

    pub(super) fn reader(&self, id: BlobId, offset: u64) -> Result<(File, u64), Error> {
        let place = self.place(id);
        let mut file = match File::open(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Missing { id }),
            opened => opened.context("opening", &place)?,
        };
        let size = file.metadata().context("reading the size of", &place)?.len();
        if offset > size {
            return Err(Error::PastEnd { id, offset, size });
        }
        file.seek(SeekFrom::Start(offset)).context("seeking in", &place)?;
        Ok((file, size))
    }

    pub(super) fn get(&self, id: BlobId) -> Result<Bytes, Error> {
        let (mut file, _) = self.reader(id, 0)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).context("reading", &self.place(id))?;
        Ok(content.into())
    }

    pub(super) fn size(&self, id: BlobId) -> Result<Option<u64>, Error> {
        let place = self.place(id);
        match fs::metadata(&place) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("reading the size of", &place),
        }
    }

    pub(super) fn sweep(&self, live: &BTreeSet<BlobId>, cutoff: SystemTime) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for file in self.all_files()? {
            let id = file.file_name().to_string_lossy().parse().ok();
            if id.is_some_and(|id| live.contains(&id)) {
                continue;
            }
            if let Some(bytes) = self.remove_older(&file.path(), cutoff)? {
                swept = Swept { files: swept.files + 1, bytes: swept.bytes + bytes };
            }
        }
        Ok(swept)
    }

    /// The size of the file if it was removed.
    fn remove_older(&self, path: &Path, cutoff: SystemTime) -> Result<Option<u64>, Error> {
        let busy = self.busy();
        let found = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.context("reading the age of", path)?,
        };
        if busy.contains(path) || found.modified().context("reading the age of", path)? >= cutoff {
            return Ok(None);
        }
        fs::remove_file(path).context("removing", path)?;
        self.release(found.len());
        Ok(Some(found.len()))
    }

    fn measure(&self) -> Result<u64, Error> {
        let files = self.all_files()?;
        // What cannot be read any more has just been removed.
        Ok(files.iter().filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum())
    }

    fn all_files(&self) -> Result<Vec<DirEntry>, Error> {
        let mut all = files(&self.directory.join(INCOMING))?;
        for group in files(&self.directory.join(BLOBS))? {
            all.append(&mut files(&group.path())?);
        }
        Ok(all)
    }

    fn used(&self) -> MutexGuard<'_, Option<u64>> {
        self.used.lock().expect("nothing panics while holding the usage")
    }

    fn busy(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.busy.lock().expect("nothing panics while holding the names")
    }
}

fn files(directory: &Path) -> Result<Vec<DirEntry>, Error> {
    let entries = fs::read_dir(directory).context("listing", directory)?;
    entries.map(|entry| entry.context("listing", directory)).collect()
}

/// Sets the time of the last change to now, by the kernel's clock.
pub(super) fn touch(file: &File) -> io::Result<()> {
    file.set_len(file.metadata()?.len())
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|opened| opened.sync_all()).context("syncing", directory)
}
