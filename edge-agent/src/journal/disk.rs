//! The journal on disk: its lock, and what happens when it cannot be read.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bacalhau_wal::Durability;
use heed::MdbError;

use super::crashes::CrashMarker;
use super::environment::Contents;
use super::files::{Files, FilesError};
use super::medium::Medium;
use super::{Change, Recovered, WriteError};

const LOCK_FILE: &str = "lock";
/// Journals set aside are kept up to this number, then the newest replaces the last.
const MAX_SET_ASIDE: u32 = 8;

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two agents on one directory.
    #[error("{} is in use by another agent: stop that one, or use another data directory", .0.display())]
    InUse(PathBuf),
    /// The file system says no.
    #[error("the journal's directory {} cannot be used", directory.display())]
    Directory {
        /// Which one.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The files cannot be used, and not because of what is in them.
    #[error("the journal in {} cannot be opened", directory.display())]
    Files {
        /// Where it is.
        directory: PathBuf,
        /// What is wrong with them.
        source: FilesError,
    },
    /// No thread to write with.
    #[error("the journal's thread could not be started")]
    Thread(#[from] io::Error),
}

pub(super) struct Disk {
    files: Option<Files>,
    /// Held as long as the journal is open, after a crash no longer. Its directory stays when a journal is set aside.
    _lock: File,
}

/// Opens `directory/data`, beside the lock and journals that were set aside.
pub(super) fn open(directory: &Path, durability: Durability) -> Result<(Disk, Recovered), OpenError> {
    let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
    let data = directory.join("data");
    create(directory).map_err(failed)?;
    let lock = lock(directory)?;
    let mut set_aside = None;
    if CrashMarker::in_directory(directory).count_start() {
        set_aside = move_aside(&data).map_err(failed)?;
    }
    create(&data).map_err(failed)?;
    let (files, contents) = match Files::open(&data, durability) {
        Ok(read) => read,
        Err(error) if is_damage(&error) => {
            tracing::error!(%error, "the journal is damaged and set aside");
            set_aside = move_aside(&data).map_err(failed)?;
            create(&data).map_err(failed)?;
            Files::open(&data, durability)
                .map_err(|source| OpenError::Files { directory: data.clone(), source })?
        }
        Err(source) => return Err(OpenError::Files { directory: data, source }),
    };
    let Contents { executions, facts, damaged } = contents;
    Ok((Disk { files: Some(files), _lock: lock }, Recovered { executions, facts, damaged, set_aside }))
}

impl Medium for Disk {
    fn commit(&mut self, changes: &[Change]) -> Result<(), WriteError> {
        let files = self.files.as_mut().ok_or(WriteError::Closed)?;
        files.commit(changes).map_err(|error| WriteError::Medium(Arc::new(error)))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(files) = self.files.take() {
            files.close();
        }
    }
}

fn is_damage(error: &FilesError) -> bool {
    use MdbError::{
        BadTxn, Corrupted, CursorFull, Incompatible, Invalid, PageNotFound, Panic, VersionMismatch,
    };
    match error {
        FilesError::Damaged { .. } => true,
        FilesError::Log { source, .. } => source.kind() == io::ErrorKind::InvalidData,
        FilesError::Database(heed::Error::Mdb(error)) => matches!(
            error,
            BadTxn | Corrupted | CursorFull | Incompatible | Invalid | PageNotFound | Panic | VersionMismatch
        ),
        FilesError::Database(_) | FilesError::Append(_) => false,
    }
}

fn create(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
    let path = directory.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Moves a journal out of the way, for whoever looks into it.
fn move_aside(data: &Path) -> io::Result<Option<PathBuf>> {
    if !data.exists() {
        return Ok(None);
    }
    let name = |number: u32| data.with_file_name(format!("set-aside-{number}"));
    let place =
        (1..MAX_SET_ASIDE).map(name).find(|place| !place.exists()).unwrap_or_else(|| name(MAX_SET_ASIDE));
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::rename(data, &place)?;
    Ok(Some(place))
}
