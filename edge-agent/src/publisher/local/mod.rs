//! Publisher `local`: results stay on the device as one archive, which comes home through the link.

mod pack;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::publisher::{LOCAL, UrlDownload};
use futures_util::future::BoxFuture;

use super::{Publisher, Results};
use crate::chain::chain;
use crate::durable;
use crate::link::Archive;
use crate::retention::{Limits, Shelf};
use crate::tree::MAX_DEPTH;

pub use pack::{MAX_RESULT_BYTES, MAX_RESULT_FILES};

/// Archives up to this size are taken to the control plane before the execution is reported complete, so that an answer
/// does not vanish with its device.
pub const EAGER_RESULT_BYTES: u64 = 1 << 20;
/// Archives that wait to be taken to the control plane; more stay on the device until they are asked for.
const MAX_WAITING: usize = 1024;

/// Where results go when the device gives them away.
pub trait ResultStore: Send + Sync {
    /// Whether an archive would be taken now.
    fn is_reachable(&self) -> bool;

    /// Takes an archive; when this returns it is durable there.
    fn store<'a>(
        &'a self,
        job_id: &'a JobId,
        execution_id: &'a ExecutionId,
        archive: &'a Archive,
    ) -> BoxFuture<'a, Result<(), super::Error>>;
}

/// Why results are not archived.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk says no.
    #[error("the archive of the results cannot be written")]
    Write(#[source] io::Error),
    /// The task wrote more than a device should keep.
    #[error("the results hold more than {MAX_RESULT_BYTES} bytes")]
    TooLarge,
    /// The task wrote more than a device should keep.
    #[error("the results hold more than {MAX_RESULT_FILES} files")]
    TooMany,
    /// A stack could follow it no further, and a path could not name it.
    #[error("the results hold more than {MAX_DEPTH} directories inside one another")]
    TooDeep,
}

/// Keeps archives of results in one directory, within limits.
pub struct LocalPublisher {
    directory: PathBuf,
    shelf: Shelf,
    store: Arc<dyn ResultStore>,
    /// Whose archives could not be taken to the control plane when they were made.
    waiting: Mutex<BTreeMap<ExecutionId, JobId>>,
}

impl LocalPublisher {
    /// Archives go to `directory`; the oldest ones are dropped when `limits` are reached.
    pub fn open(directory: PathBuf, limits: Limits, store: Arc<dyn ResultStore>) -> io::Result<Self> {
        durable::create_directory(&directory)?;
        let shelf = Shelf::open(&directory, limits)?;
        Ok(Self { directory, shelf, store, waiting: Mutex::default() })
    }

    /// The archive of an execution, if it is (still) there. Reads all of it.
    pub async fn archive(&self, execution_id: &ExecutionId) -> io::Result<Option<Archive>> {
        let path = self.path(execution_id);
        let described = tokio::task::spawn_blocking(move || match pack::describe(&path) {
            Ok((hash, size)) => Ok(Some(Archive { path, size, hash })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        described.await.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
    }

    /// An archive that an earlier process may not have taken to the control plane.
    pub fn remember(&self, job_id: &JobId, execution_id: &ExecutionId) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING {
            waiting.insert(execution_id.clone(), job_id.clone());
        }
    }

    /// Takes small archives to the control plane that could not be taken when they were made. For after a welcome.
    pub async fn deliver_waiting(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (execution_id, job_id) in waiting {
            match self.archive(&execution_id).await {
                Ok(Some(archive)) => self.deliver(&job_id, &execution_id, &archive).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(%execution_id, %error, "results cannot be read"),
            }
        }
    }

    async fn deliver(&self, job_id: &JobId, execution_id: &ExecutionId, archive: &Archive) {
        if archive.size > EAGER_RESULT_BYTES {
            return;
        }
        if self.store.is_reachable() {
            match self.store.store(job_id, execution_id, archive).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%execution_id, error = chain(&*error), "results stay on the device for now");
                }
            }
        }
        self.remember(job_id, execution_id);
    }

    async fn pack(&self, execution_id: &ExecutionId, results_dir: &Path) -> Result<Archive, Error> {
        let (path, results_dir) = (self.path(execution_id), results_dir.to_owned());
        let packed = tokio::task::spawn_blocking(move || {
            let (hash, size) = pack::pack(&results_dir, &path)?;
            Ok(Archive { path, size, hash })
        });
        let archive = packed.await.map_err(|stopped| Error::Write(io::Error::other(stopped)))??;
        self.shelf.put(&file_name(execution_id), archive.size);
        Ok(archive)
    }

    fn path(&self, execution_id: &ExecutionId) -> PathBuf {
        self.directory.join(file_name(execution_id))
    }
}

impl Publisher for LocalPublisher {
    fn kind(&self) -> &'static str {
        LOCAL
    }

    fn publish<'a>(&'a self, results: Results<'a>) -> BoxFuture<'a, Result<SpecConfig, super::Error>> {
        let Results { job_id, execution_id, directory, .. } = results;
        Box::pin(async move {
            let archive = self.pack(execution_id, directory).await?;
            let place =
                UrlDownload::of_execution(job_id, execution_id, archive.hash, archive.size).to_config();
            self.deliver(job_id, execution_id, &archive).await;
            Ok(place)
        })
    }
}

fn file_name(execution_id: &ExecutionId) -> String {
    format!("{execution_id}.tar.gz")
}

impl ResultStore for crate::link::Client {
    fn is_reachable(&self) -> bool {
        self.is_connected()
    }

    fn store<'a>(
        &'a self,
        job_id: &'a JobId,
        execution_id: &'a ExecutionId,
        archive: &'a Archive,
    ) -> BoxFuture<'a, Result<(), super::Error>> {
        let Archive { path, size, hash } = archive;
        Box::pin(async move { Ok(self.store_results(job_id, execution_id, path, *hash, *size).await?) })
    }
}
