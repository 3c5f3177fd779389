//! A file on its way to this device: it grows beside its final name and takes that name when it is whole.

use std::io;
use std::path::{Path, PathBuf};

use bacalhau_protocol::wire::stream::Sha256Hash;
use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::durable;

/// Bytes read back at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The beginning of a file, kept over interruptions.
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    hash: Sha256,
    length: u64,
}

impl Partial {
    /// Goes on with what an earlier attempt left for `destination`, or begins.
    pub(super) async fn open(destination: &Path) -> io::Result<Self> {
        let path = destination.with_added_extension("part");
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path).await?;
        let mut partial = Self { file, path, hash: Sha256::new(), length: 0 };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match partial.file.read(&mut chunk).await? {
                0 => return Ok(partial),
                length => partial.count(&chunk[..length]),
            }
        }
    }

    /// Where it grows.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// SHA-256 of the bytes there.
    pub(super) fn hash(&self) -> Sha256Hash {
        self.hash.clone().finalize().into()
    }

    pub(super) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.count(bytes);
        Ok(())
    }

    /// The file is whole: makes it durable under its final name.
    pub(super) async fn finish(mut self, destination: &Path) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let (path, destination) = (self.path, destination.to_owned());
        tokio::task::spawn_blocking(move || durable::place(&path, &destination)).await?
    }

    /// The file is wrong: removes it.
    pub(super) async fn discard(self) -> io::Result<()> {
        fs::remove_file(self.path).await
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
    }
}
