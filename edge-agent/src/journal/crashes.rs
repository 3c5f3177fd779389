//! Notices an agent that crashes on its journal again and again.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Starts in a row that did not get far before the journal is taken to be the reason.
pub const MAX_CRASHES: u32 = 8;

/// Counts starts until one gets far enough. Kept outside the database, since that may be what crashes.
#[derive(Clone, Debug)]
pub(super) struct CrashMarker {
    path: PathBuf,
}

impl CrashMarker {
    /// The marker of the journal in `directory`.
    pub(super) fn in_directory(directory: &Path) -> Self {
        Self { path: directory.join("starts") }
    }

    /// Counts this start; true when so many before it came to nothing that the journal must go. A start that cannot be
    /// counted counts as the first: on a full disk the agent must come up, to stop the task that has filled it.
    pub(super) fn count_start(&self) -> bool {
        self.try_count().unwrap_or_else(|error| {
            tracing::warn!(%error, "the journal's count of starts cannot be kept");
            false
        })
    }

    /// Not synced: a crash of the agent leaves the machine's caches whole, and a start costs no flash write more than it
    /// must.
    fn try_count(&self) -> io::Result<bool> {
        let before = match fs::read_to_string(&self.path) {
            Ok(text) => text.trim().parse().unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let too_many = before >= MAX_CRASHES;
        let now = if too_many { 1 } else { before + 1 };
        fs::write(&self.path, now.to_string())?;
        Ok(too_many)
    }

    /// The agent has got far enough: whatever ends it now is not the journal's fault.
    pub(super) fn survived(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
