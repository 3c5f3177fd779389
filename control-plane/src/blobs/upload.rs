use std::sync::Arc;

use bytes::Bytes;

use super::incoming::{Incoming, Stored};
use super::shelf::Shelf;
use super::{Error, on_disk};

/// A blob being stored. Dropped unfinished, an upload with a known hash can be resumed; any other is forgotten.
pub struct Upload {
    /// Absent when a write was cancelled.
    incoming: Option<Incoming>,
    held: u64,
}

impl Upload {
    pub(super) async fn unnamed(shelf: &Arc<Shelf>) -> Result<Self, Error> {
        let shelf = Arc::clone(shelf);
        Self::begin(|| Incoming::unnamed(shelf)).await
    }

    pub(super) async fn resume(shelf: &Arc<Shelf>, owner: &str, expected: Stored) -> Result<Self, Error> {
        let (shelf, owner) = (Arc::clone(shelf), owner.to_owned());
        Self::begin(move || Incoming::resume(shelf, &owner, expected)).await
    }

    async fn begin(open: impl FnOnce() -> Result<Incoming, Error> + Send + 'static) -> Result<Self, Error> {
        let incoming = on_disk(open).await?;
        let held = incoming.received();
        Ok(Self { incoming: Some(incoming), held })
    }

    /// Bytes that are here already: what is written next must be what follows them.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// When cancelled the upload ends, as if dropped.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        let mut incoming = self.incoming.take().ok_or(Error::Stopped)?;
        let (incoming, outcome) = on_disk(move || {
            let outcome = incoming.write(&chunk);
            Ok((incoming, outcome))
        })
        .await?;
        self.held = incoming.received();
        self.incoming = Some(incoming);
        outcome
    }

    /// Verifies the content and returns when it is on disk.
    pub async fn finish(self) -> Result<Stored, Error> {
        let incoming = self.incoming.ok_or(Error::Stopped)?;
        on_disk(|| incoming.finish()).await
    }
}
