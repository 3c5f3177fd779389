//! Content too large for a record: modules, inline data, artifacts, results. Records refer to it by its hash.
//!
//! A blob is acknowledged when it is whole, verified and on disk. Nothing deletes one but [`Blobs::sweep`].

mod error;
mod id;
mod incoming;
mod shelf;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::fs::File;

pub use self::error::Error;
pub use self::id::BlobId;
pub use self::incoming::Stored;
use self::shelf::Shelf;
pub use self::shelf::{Limits, MAX_UPLOADS, Swept};
pub use self::upload::Upload;

/// A directory of blobs. Cheap to clone; one process owns the directory.
#[derive(Clone)]
pub struct Blobs {
    shelf: Arc<Shelf>,
}

/// A blob from some offset on.
pub struct Reader {
    /// Positioned at the offset asked for.
    pub file: File,
    /// Of the whole blob, in bytes.
    pub size: u64,
}

impl Blobs {
    /// Opens the directory, which is made if there is none. Costs the same however much it holds.
    pub fn open(directory: &Path, limits: Limits) -> Result<Self, Error> {
        Ok(Self { shelf: Arc::new(Shelf::open(directory, limits)?) })
    }

    pub async fn put(&self, content: Bytes) -> Result<BlobId, Error> {
        let content = stream::iter([Ok(content)]);
        Ok(self.put_stream(content).await?.id)
    }

    /// Stores what the stream yields; an error of the stream leaves nothing behind.
    pub async fn put_stream(
        &self,
        mut content: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<Stored, Error> {
        let mut upload = Upload::unnamed(&self.shelf).await?;
        while let Some(chunk) = content.next().await {
            upload.write(chunk.map_err(Error::Source)?).await?;
        }
        upload.finish().await
    }

    /// Begins or resumes storing a blob that is known by hash and size. What arrived of it is kept per `owner` (for
    /// results: the execution), so that one owner's bad bytes cannot spoil another's upload.
    pub async fn upload(&self, owner: &str, expected: Stored) -> Result<Upload, Error> {
        Upload::resume(&self.shelf, owner, expected).await
    }

    pub async fn reader(&self, id: BlobId, offset: u64) -> Result<Reader, Error> {
        let (file, size) = self.with_shelf(move |shelf| shelf.reader(id, offset)).await?;
        Ok(Reader { file: File::from_std(file), size })
    }

    /// The whole blob in memory: for what is known to be small.
    pub async fn get(&self, id: BlobId) -> Result<Bytes, Error> {
        self.with_shelf(move |shelf| shelf.get(id)).await
    }

    /// Whether it is here; if so, it is as young as if it had just been stored, so that there is time to commit what
    /// refers to it.
    pub async fn refresh(&self, id: BlobId) -> Result<bool, Error> {
        self.with_shelf(move |shelf| shelf.refresh(id)).await
    }

    /// Its size in bytes, if it is here. It may be swept right after, unless it is refreshed.
    pub async fn size(&self, id: BlobId) -> Result<Option<u64>, Error> {
        self.with_shelf(move |shelf| shelf.size(id)).await
    }

    /// Removes the blobs that are not `live`, and the unfinished uploads, last written before `cutoff`. The cutoff must
    /// leave time to commit the record that refers to a blob just stored.
    pub async fn sweep(&self, live: BTreeSet<BlobId>, cutoff: SystemTime) -> Result<Swept, Error> {
        self.with_shelf(move |shelf| shelf.sweep(&live, cutoff)).await
    }

    async fn with_shelf<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Shelf) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shelf = Arc::clone(&self.shelf);
        on_disk(move || act(&shelf)).await
    }
}

/// Hashes and touches files where that may block.
async fn on_disk<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(act).await.map_err(|_| Error::Stopped)?
}
