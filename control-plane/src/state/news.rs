//! Waiting for something to happen to one job.

use bacalhau_protocol::ids::JobId;
use bytes::Bytes;

use super::keys;
use super::read::{ReadError, Reader};
use crate::store::Watch;

/// Tells when something happened to a job since this was made.
pub struct News {
    watch: Watch,
    head: Bytes,
    history: Bytes,
}

impl Reader {
    /// Follows a job from now on: what is read after this and shows nothing new is told by [`News::next`].
    pub async fn news(&self, id: &JobId) -> Result<News, ReadError> {
        let (head, history) = (keys::job(id), keys::histories(id));
        Ok(News { watch: self.watch_from_now().await?, head, history })
    }
}

impl News {
    /// Waits for the next change. Never ends when changes can no longer be followed, so callers need a limit anyway.
    pub async fn next(&mut self) {
        while let Ok(batch) = self.watch.next().await {
            let concerns = |key: &Bytes| *key == self.head || key.starts_with(&self.history);
            if batch.changes.iter().any(|change| concerns(&change.key)) {
                return;
            }
        }
        std::future::pending().await
    }
}
