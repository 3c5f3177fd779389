use std::io;
use std::path::{Path, PathBuf};

use super::BlobId;

/// Why a blob was not stored or not found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("blob {id} is not held here")]
    Missing { id: BlobId },
    #[error("offset {offset} is past the end of blob {id}, which has {size} bytes")]
    PastEnd { id: BlobId, offset: u64, size: u64 },
    #[error(
        "the quota of {limit} bytes for blobs is reached ({used} are used): raise it, or remove jobs and their results"
    )]
    Quota { used: u64, limit: u64 },
    #[error("a blob may have at most {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the content has hash {found} and not {expected}: send it again from the start")]
    Mismatch { expected: BlobId, found: BlobId },
    #[error("{received} of {size} bytes arrived: send the rest")]
    Incomplete { received: u64, size: u64 },
    #[error("more than the announced {size} bytes arrived: send it again from the start")]
    Surplus { size: u64 },
    #[error("{limit} uploads are under way: try again later")]
    Crowded { limit: usize },
    #[error("another upload of the same content is under way: wait for it to end")]
    Busy,
    #[error("the content to be stored could not be read")]
    Source(#[source] io::Error),
    #[error("{action} {} failed", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the program is stopping")]
    Stopped,
}

/// Names what was done to which file when it fails.
pub(super) trait Context<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { action, path: path.to_owned(), source })
    }
}
