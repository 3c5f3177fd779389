//! The directory with everything durable of one agent.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::durable;

const LOCK_FILE: &str = "agent.lock";

/// A data directory held by this agent alone, for as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made or written.
    #[error("data directory {} cannot be used; choose another with --data-dir", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two agents would be one node.
    #[error("data directory {} is in use by another agent; stop that one, or choose another with --data-dir", .0.display())]
    InUse(PathBuf),
}

impl DataDir {
    /// Makes the directory if need be and takes its lock, which ends with the process however it ends.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: path.to_owned(), source };
        durable::create_directory(path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK_FILE))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agents_never_share_a_directory() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new/agent");
        let first = DataDir::open(&path).unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert!(matches!(&error, Error::InUse(shown) if *shown == path), "{error}");
        drop(first);
        assert_eq!(DataDir::open(&path).unwrap().path(), path);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        assert!(matches!(DataDir::open(Path::new("/proc/agent")), Err(Error::Unusable { .. })));
    }
}
