//! Input source `inline`: the data comes with the job, in it or as a blob beside it.

mod cache;
#[cfg(test)]
mod tests;
mod unpack;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::InvalidParams;
use bacalhau_protocol::spec::data_url::InlineUrl;
use bacalhau_protocol::spec::inline::InlineSource;
use futures_util::future::BoxFuture;

use super::{Prepared, Storage, Wanted};
use crate::executor::{Access, Content, HostPath, start_afresh};
use cache::Cache;

pub use cache::DEFAULT_BLOB_CACHE_BYTES;
pub use unpack::{MAX_UNPACKED_BYTES, MAX_UNPACKED_ENTRIES};

/// Why inline data is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job says nothing that can be understood.
    #[error(transparent)]
    Params(#[from] InvalidParams),
    /// The blob did not come.
    #[error("the input's data could not be fetched from the control plane")]
    Fetch(#[source] super::Error),
    /// The archive is not what it should be.
    #[error("the input's archive cannot be unpacked")]
    Unpack(#[from] unpack::Error),
    /// The disk says no.
    #[error("the input's data cannot be kept on this node")]
    Disk(#[source] io::Error),
}

/// Fetches data that travels beside jobs.
pub trait Blobs: Send + Sync {
    /// Brings the data with this SHA-256 to `destination`, whole and verified, or not at all. What is there already is
    /// not fetched again.
    fn fetch<'a>(&'a self, hash: [u8; 32], destination: &'a Path) -> BoxFuture<'a, Result<(), super::Error>>;
}

/// Brings inline data. Plain data becomes a file, once somebody needs it as one, a packed directory a directory.
pub struct InlineStorage {
    cache: Arc<Cache>,
    blobs: Arc<dyn Blobs>,
}

impl InlineStorage {
    /// Keeps up to `cache_bytes` of blobs in `cache_dir`.
    pub fn new(blobs: Arc<dyn Blobs>, cache_dir: PathBuf, cache_bytes: u64) -> Self {
        Self { cache: Arc::new(Cache::new(cache_dir, cache_bytes)), blobs }
    }

    async fn bring(&self, source: &SpecConfig, place: &Path) -> Result<Prepared, Error> {
        let source = InlineSource::parse(source)?;
        let is_archive = source.is_archive();
        let content = match source.url {
            InlineUrl::Data(data) => Content::Bytes(data.bytes.into()),
            InlineUrl::Blob(blob) => self.cached(blob.hash).await?,
        };
        let path = place.to_owned();
        let host = if is_archive {
            blocking(move || unpack(&content, path)).await??
        } else {
            HostPath::Unmade { path, content }
        };
        Ok(Prepared { host, access: Access::ReadOnly })
    }

    async fn cached(&self, hash: [u8; 32]) -> Result<Content, Error> {
        let cache = Arc::clone(&self.cache);
        let path = blocking(move || cache.place(hash)).await?.map_err(Error::Disk)?;
        self.blobs.fetch(hash, &path).await.map_err(Error::Fetch)?;
        let cache = Arc::clone(&self.cache);
        let kept = move || {
            let file = File::open(&path)?;
            cache.keep(&path, file.metadata()?.len())?;
            Ok(Content::Cached { path, file: Arc::new(file) })
        };
        blocking(kept).await?.map_err(Error::Disk)
    }
}

fn unpack(archive: &Content, into: PathBuf) -> Result<HostPath, Error> {
    start_afresh(&into).map_err(Error::Disk)?;
    unpack::unpack(archive.bytes().map_err(Error::Disk)?.as_ref(), &into)?;
    Ok(into.into())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|stopped| Error::Disk(io::Error::other(stopped)))
}

impl Storage for InlineStorage {
    fn kinds(&self) -> &'static [&'static str] {
        &["inline"]
    }

    fn check<'a>(&'a self, source: &'a SpecConfig) -> BoxFuture<'a, Result<(), super::Error>> {
        Box::pin(async move { Ok(InlineSource::parse(source).map(drop)?) })
    }

    fn is_local(&self, _source: &SpecConfig) -> bool {
        true
    }

    fn prepare<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Prepared, super::Error>> {
        Box::pin(async move { Ok(self.bring(wanted.source, wanted.place).await?) })
    }
}

impl Blobs for crate::link::Client {
    fn fetch<'a>(&'a self, hash: [u8; 32], destination: &'a Path) -> BoxFuture<'a, Result<(), super::Error>> {
        Box::pin(async move { Ok(self.fetch_blob(hash, destination).await?) })
    }
}
