//! Input source `inline`: the data comes with the job, in it or as a blob beside it.

mod cache;
#[cfg(test)]
mod tests;
mod unpack;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::InvalidParams;
use bacalhau_protocol::spec::data_url::InlineUrl;
use bacalhau_protocol::spec::inline::InlineSource;
use futures_util::future::BoxFuture;

use super::{Prepared, Storage};
use crate::executor::Access;
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
    #[error("the input's data cannot be written")]
    Write(#[source] io::Error),
}

/// Fetches data that travels beside jobs.
pub trait Blobs: Send + Sync {
    /// Brings the data with this SHA-256 to `destination`, whole and verified, or not at all. What is there already is
    /// not fetched again.
    fn fetch<'a>(&'a self, hash: [u8; 32], destination: &'a Path) -> BoxFuture<'a, Result<(), super::Error>>;
}

/// Writes inline data to disk. Plain data becomes a file, a packed directory a directory.
pub struct InlineStorage {
    cache: Arc<Cache>,
    blobs: Arc<dyn Blobs>,
}

impl InlineStorage {
    /// Keeps up to `cache_bytes` of blobs in `cache_dir`.
    pub fn new(blobs: Arc<dyn Blobs>, cache_dir: PathBuf, cache_bytes: u64) -> Self {
        Self { cache: Arc::new(Cache::new(cache_dir, cache_bytes)), blobs }
    }

    async fn bring(&self, source: &SpecConfig, directory: &Path) -> Result<Prepared, Error> {
        let source = InlineSource::parse(source)?;
        let is_archive = source.is_archive();
        let data = match source.url {
            InlineUrl::Data(data) => Data::Bytes(data.bytes),
            InlineUrl::Blob(blob) => {
                let path = self.cache.place(blob.hash).map_err(Error::Write)?;
                self.blobs.fetch(blob.hash, &path).await.map_err(Error::Fetch)?;
                Data::Cached(path)
            }
        };
        let (cache, directory) = (Arc::clone(&self.cache), directory.to_owned());
        let write = move || {
            let host = data.write(&directory, is_archive)?;
            cache.shrink(data.cached());
            Ok(Prepared { host, access: Access::ReadOnly })
        };
        tokio::task::spawn_blocking(write).await.map_err(|stopped| Error::Write(io::Error::other(stopped)))?
    }
}

impl Storage for InlineStorage {
    fn kinds(&self) -> &'static [&'static str] {
        &["inline"]
    }

    fn check(&self, source: &SpecConfig) -> Result<(), super::Error> {
        InlineSource::parse(source)?;
        Ok(())
    }

    fn is_local(&self, _source: &SpecConfig) -> bool {
        true
    }

    fn prepare<'a>(
        &'a self,
        source: &'a SpecConfig,
        directory: &'a Path,
    ) -> BoxFuture<'a, Result<Prepared, super::Error>> {
        Box::pin(async move { Ok(self.bring(source, directory).await?) })
    }
}

/// Where the data is before it is where the task sees it.
enum Data {
    Bytes(Vec<u8>),
    Cached(PathBuf),
}

impl Data {
    fn write(&self, directory: &Path, is_archive: bool) -> Result<PathBuf, Error> {
        start_afresh(directory).map_err(Error::Write)?;
        let content = directory.join("content");
        if is_archive {
            unpack::unpack(self.open().map_err(Error::Write)?, &content)?;
        } else {
            self.place(&content).map_err(Error::Write)?;
        }
        Ok(content)
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(bytes.as_slice()),
            Self::Cached(path) => Box::new(File::open(path)?),
        })
    }

    /// A second name for a cached file costs no space, and stays when the cache drops the first.
    fn place(&self, content: &Path) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => fs::write(content, bytes),
            Self::Cached(path) => fs::hard_link(path, content).or_else(|_| fs::copy(path, content).map(drop)),
        }
    }

    fn cached(&self) -> Option<&Path> {
        match self {
            Self::Bytes(_) => None,
            Self::Cached(path) => Some(path),
        }
    }
}

/// An empty directory, whatever an interrupted attempt left.
fn start_afresh(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

impl Blobs for crate::link::Client {
    fn fetch<'a>(&'a self, hash: [u8; 32], destination: &'a Path) -> BoxFuture<'a, Result<(), super::Error>> {
        Box::pin(async move { Ok(self.fetch_blob(hash, destination).await?) })
    }
}
