//! Blobs that were fetched, by hash, up to a size.

use std::io;
use std::path::{Path, PathBuf};

use crate::retention::LazyShelf;

/// Room for blobs unless the node says otherwise, bytes.
pub const DEFAULT_BLOB_CACHE_BYTES: u64 = 256 << 20;

pub(super) struct Cache(LazyShelf);

impl Cache {
    pub(super) fn new(directory: PathBuf, limit_bytes: u64) -> Self {
        Self(LazyShelf::new(directory, limit_bytes))
    }

    /// Where a blob that is wanted is kept, whether it is there or not. The directory exists afterwards. Blocks on the disk
    /// the first time.
    pub(super) fn place(&self, hash: [u8; 32]) -> io::Result<PathBuf> {
        let shelf = self.0.open()?;
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        shelf.touch(&name);
        // What an earlier process had of it is about to grow.
        shelf.claim(&format!("{name}.part"));
        Ok(self.0.directory().join(name))
    }

    /// A blob is there: drops those that were not used for longest until the rest fits.
    pub(super) fn keep(&self, blob: &Path, bytes: u64) -> io::Result<()> {
        if let Some(name) = blob.file_name().and_then(|name| name.to_str()) {
            self.0.open()?.put(name, bytes);
        }
        Ok(())
    }
}
