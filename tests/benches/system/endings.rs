//! When jobs have ended, told by the store's watch, which shows what is durable and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use bacalhau_control_plane::state::keys;
use bacalhau_control_plane::store::{Batch, Store, Watch};
use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::{Job, JobState};
use bacalhau_protocol::wire::record::{self, Kind};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::clock::now;

/// Tells the end of every job that ends after it was made. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Endings(Arc<Mutex<BTreeMap<JobId, Ending>>>);

enum Ending {
    Awaited(oneshot::Sender<Instant>),
    Seen(Instant),
    /// Ended, but not well; with the job's message.
    Bad(String),
}

impl Endings {
    /// Follows the store from now on.
    pub(crate) async fn follow(store: &Arc<dyn Store>) -> Result<Self> {
        let watch = watch_from_now(store).await?;
        let endings = Self::default();
        tokio::spawn(endings.clone().read(watch));
        Ok(endings)
    }

    /// Waits for the end of a job, which must be a good one, and tells when it was durable.
    pub(crate) async fn of(&self, job: &JobId) -> Result<Instant> {
        let (tell, told) = oneshot::channel();
        match self.put(job, Ending::Awaited(tell)) {
            Some(Ending::Seen(at)) => {
                self.forget(job);
                Ok(at)
            }
            Some(Ending::Bad(message)) => anyhow::bail!("job {job} did not complete: {message}"),
            Some(Ending::Awaited(_)) => anyhow::bail!("job {job} is awaited twice"),
            None => told.await.with_context(|| format!("job {job} did not complete")),
        }
    }

    async fn read(self, mut watch: Watch) {
        loop {
            match watch.next().await {
                Ok(batch) => self.note(&batch),
                Err(error) => {
                    eprintln!("the store cannot be followed any more: {error}");
                    // Whoever waits is told by the end of its channel.
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    return;
                }
            }
        }
    }

    fn note(&self, batch: &Batch) {
        let jobs = keys::jobs("");
        for change in batch.changes.iter().filter(|change| change.key.starts_with(&jobs)) {
            let head: Option<Job> =
                change.value.as_ref().and_then(|value| record::decode(Kind::Job, value).ok());
            // What is written of a job after its end is no end.
            match head.filter(|head| head.ended == Some(head.modified)) {
                Some(head) if head.state == JobState::Completed => self.ended(&head.id),
                Some(head) => _ = self.put(&head.id, Ending::Bad(head.message)),
                None => {}
            }
        }
    }

    fn ended(&self, job: &JobId) {
        let at = now();
        if let Some(Ending::Awaited(tell)) = self.put(job, Ending::Seen(at)) {
            self.forget(job);
            // Whoever waited may have given up.
            _ = tell.send(at);
        }
    }

    fn put(&self, job: &JobId, ending: Ending) -> Option<Ending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(job.clone(), ending)
    }

    fn forget(&self, job: &JobId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
    }
}

/// Everything that becomes durable from now on.
pub(crate) async fn watch_from_now(store: &Arc<dyn Store>) -> Result<Watch> {
    let revision = store.range(Bytes::new(), Bytes::new(), 1, false).await?.revision;
    Ok(store.watch(revision + 1)?)
}
