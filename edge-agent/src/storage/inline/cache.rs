//! Blobs that were fetched, by hash, up to a size.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::durable;

/// Room for blobs unless the node says otherwise, bytes.
pub const DEFAULT_BLOB_CACHE_BYTES: u64 = 256 << 20;

pub(super) struct Cache {
    directory: PathBuf,
    limit_bytes: u64,
}

impl Cache {
    pub(super) fn new(directory: PathBuf, limit_bytes: u64) -> Self {
        Self { directory, limit_bytes }
    }

    /// Where a blob is kept, whether it is there or not. The directory exists afterwards.
    pub(super) fn place(&self, hash: [u8; 32]) -> io::Result<PathBuf> {
        durable::create_directory(&self.directory)?;
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.directory.join(name))
    }

    /// Drops the blobs that came first until the rest fits, but not the one in use.
    pub(super) fn shrink(&self, in_use: &Path) {
        if let Err(error) = self.try_shrink(in_use) {
            tracing::warn!(%error, "the cache of blobs cannot be shrunk");
        }
    }

    fn try_shrink(&self, in_use: &Path) -> io::Result<()> {
        let mut blobs = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            // Transfers under way have an extension.
            if metadata.is_file() && entry.path().extension().is_none() {
                blobs.push((
                    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    metadata.len(),
                    entry.path(),
                ));
            }
        }
        let mut total: u64 = blobs.iter().map(|(_, size, _)| size).sum();
        blobs.sort();
        for (_, size, path) in blobs.into_iter().filter(|(_, _, path)| path != in_use) {
            if total <= self.limit_bytes {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}
