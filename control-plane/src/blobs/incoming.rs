//! A blob while it arrives.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::Context;
use super::shelf::{Shelf, touch};
use super::{BlobId, Error};

/// A blob by what identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub id: BlobId,
    /// In bytes.
    pub size: u64,
}

/// The file a blob is written to until it is whole. When dropped, what can be resumed is left for that.
pub(super) struct Incoming {
    shelf: Arc<Shelf>,
    path: PathBuf,
    /// Known beforehand, and so resumable.
    expected: Option<Stored>,
    stage: Stage,
}

enum Stage {
    Arriving {
        file: File,
        received: u64,
        hash: Sha256,
    },
    /// The blob was here before.
    Held,
    /// What arrived is of no use.
    Spent {
        received: u64,
    },
    Moved,
}

impl Incoming {
    pub(super) fn unnamed(shelf: Arc<Shelf>) -> Result<Self, Error> {
        let path = shelf.incoming_unnamed();
        Self::claim(shelf, path, None)?.open()
    }

    /// Goes on where the last attempt of this owner stopped.
    pub(super) fn resume(shelf: Arc<Shelf>, owner: &str, expected: Stored) -> Result<Self, Error> {
        let limit = shelf.limits.blob_bytes;
        if expected.size > limit {
            return Err(Error::TooLarge { limit });
        }
        // Hashed, since a file name has at most 255 bytes and no slash.
        let owner = BlobId(Sha256::digest(owner).into());
        let path = shelf.incoming(&format!("{owner}-{}", expected.id));
        let held = shelf.size(expected.id)? == Some(expected.size) && shelf.refresh(expected.id)?;
        let incoming = Self::claim(shelf, path, Some(expected))?;
        if held { Ok(incoming) } else { incoming.open() }
    }

    fn claim(shelf: Arc<Shelf>, path: PathBuf, expected: Option<Stored>) -> Result<Self, Error> {
        shelf.claim(&path)?;
        Ok(Self { shelf, path, expected, stage: Stage::Held })
    }

    fn open(mut self) -> Result<Self, Error> {
        let opened = File::options().create(true).read(true).append(true).mode(0o600).open(&self.path);
        let mut file = opened.context("opening", &self.path)?;
        let mut hash = Sha256::new();
        let received = io::copy(&mut file, &mut hash).context("reading", &self.path)?;
        self.stage = Stage::Arriving { file, received, hash };
        Ok(self)
    }

    /// Bytes that need not be written any more.
    pub(super) fn received(&self) -> u64 {
        match &self.stage {
            Stage::Arriving { received, .. } | Stage::Spent { received } => *received,
            Stage::Held | Stage::Moved => self.expected.map_or(0, |expected| expected.size),
        }
    }

    pub(super) fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let length = chunk.len() as u64;
        self.check_size(self.received() + length)?;
        let Stage::Arriving { file, received, hash } = &mut self.stage else { return Ok(()) };
        self.shelf.reserve(length)?;
        *received += length;
        let written = file.write_all(chunk).context("writing", &self.path);
        hash.update(chunk);
        if written.is_err() {
            // How much of the chunk is in the file is unknown.
            self.stage = Stage::Spent { received: *received };
        }
        written
    }

    fn check_size(&mut self, size: u64) -> Result<(), Error> {
        let limit = self.shelf.limits.blob_bytes;
        match self.expected {
            Some(expected) if size > expected.size => {
                self.give_up();
                Err(Error::Surplus { size: expected.size })
            }
            _ if size > limit => Err(Error::TooLarge { limit }),
            _ => Ok(()),
        }
    }

    /// Verifies what arrived and makes it a blob, durably.
    pub(super) fn finish(mut self) -> Result<Stored, Error> {
        let Stage::Arriving { file, received, hash } = &self.stage else {
            return self.expected.ok_or(Error::Stopped);
        };
        let stored = Stored { id: BlobId(hash.clone().finalize().into()), size: *received };
        if let Some(Stored { id, size }) = self.expected {
            if stored.size < size {
                return Err(Error::Incomplete { received: stored.size, size });
            }
            if stored.id != id {
                self.give_up();
                return Err(Error::Mismatch { expected: id, found: stored.id });
            }
        }
        // All of it may have arrived long ago, and a sweep goes by the file's age.
        touch(file).and_then(|()| file.sync_all()).context("syncing", &self.path)?;
        self.shelf.keep(&self.path, stored.id)?;
        self.stage = Stage::Moved;
        Ok(stored)
    }

    fn give_up(&mut self) {
        if let Stage::Arriving { received, .. } = self.stage {
            self.stage = Stage::Spent { received };
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let useless = match self.stage {
            Stage::Arriving { received, .. } if self.expected.is_none() => Some(received),
            Stage::Spent { received } => Some(received),
            _ => None,
        };
        if let Some(bytes) = useless {
            match fs::remove_file(&self.path) {
                Ok(()) => self.shelf.release(bytes),
                Err(error) => tracing::warn!(%error, path = %self.path.display(), "a useless file stays"),
            }
        }
        self.shelf.unclaim(&self.path);
    }
}
