//! Input source `localDirectory`, newer name `local`: a path of the node, if its operator allows it.

mod allowlist;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::InvalidParams;
use bacalhau_protocol::spec::local::{CreateAs, LocalSource};
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Prepared, Storage, Wanted};
use crate::config::AllowedPath;
use crate::executor::{Access, HostPath};
use allowlist::AllowList;

/// Why a path is not mounted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job says nothing that can be understood.
    #[error(transparent)]
    Params(#[from] InvalidParams),
    /// No pattern of the allow-list matches.
    #[error("volume {0} is not allowlisted")]
    NotAllowed(String),
    /// Only read-only patterns match.
    #[error("volume {0} is not granted write access")]
    NotWritable(String),
    /// There is nothing there, and it is not to be made.
    #[error("volume {0} does not exist on this node")]
    Missing(String),
    /// The path cannot be followed to its end.
    #[error("volume {path} cannot be used")]
    Unusable {
        /// As the job has it.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A network file system that is gone, most likely.
    #[error("volume {0} cannot be used: its disk did not answer within {seconds} s", seconds = PATIENCE.as_secs())]
    Silent(String),
}

/// Looks at the disk at the same time. A network file system that is gone holds a thread for each, for ever, and the
/// agent needs the few there are.
const MAX_LOOKS: usize = 2;
/// Longest wait for a disk, which may have to spin up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Mounts paths of the node. Links and `..` are resolved before the allow-list is asked, and what it was asked about is
/// what gets mounted: others may write where jobs may, and put a link there at any time.
pub struct LocalStorage {
    allowed: RwLock<Arc<AllowList>>,
    looks: Arc<Semaphore>,
}

impl LocalStorage {
    /// With the operator's allow-list; an empty one allows nothing.
    pub fn new(allowed: &[AllowedPath]) -> Self {
        let looks = Arc::new(Semaphore::new(MAX_LOOKS));
        Self { allowed: RwLock::new(Arc::new(AllowList::new(allowed))), looks }
    }

    /// Replaces the allow-list. Tasks that run keep what they have mounted.
    pub fn allow(&self, allowed: &[AllowedPath]) {
        *self.allowed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(AllowList::new(allowed));
    }

    fn allowed(&self) -> Arc<AllowList> {
        Arc::clone(&self.allowed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does what blocks on the disk. What nobody waits for any more keeps its place until it ends, for it keeps its thread.
    async fn look<T: Send + 'static>(
        &self,
        wanted: LocalSource,
        look: impl FnOnce(&AllowList, LocalSource) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (allowed, looks, path) = (self.allowed(), Arc::clone(&self.looks), wanted.path.clone());
        let looked = async {
            let place = looks.acquire_owned().await.map_err(io::Error::other)?;
            let looked = tokio::task::spawn_blocking(move || {
                let looked = look(&allowed, wanted);
                drop(place);
                looked
            });
            looked.await.map_err(io::Error::other)
        };
        match timeout(PATIENCE, looked).await {
            Ok(Ok(looked)) => looked,
            Ok(Err(source)) => Err(Error::Unusable { path, source }),
            Err(_) => Err(Error::Silent(path)),
        }
    }
}

impl Storage for LocalStorage {
    fn kinds(&self) -> &'static [&'static str] {
        &["localDirectory", "local"]
    }

    /// Without an allow-list no job may see the host's files.
    fn is_offered(&self) -> bool {
        !self.allowed().is_empty()
    }

    fn check<'a>(&'a self, source: &'a SpecConfig) -> BoxFuture<'a, Result<(), super::Error>> {
        Box::pin(async move {
            let wanted = LocalSource::parse(source)?;
            Ok(self.look(wanted, |allowed, wanted| permitted(allowed, wanted).map(drop)).await?)
        })
    }

    fn is_local(&self, _source: &SpecConfig) -> bool {
        true
    }

    fn prepare<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Prepared, super::Error>> {
        Box::pin(async move { Ok(self.look(LocalSource::parse(wanted.source)?, mount).await?) })
    }
}

/// What the job asks for and where that really is.
struct Permitted {
    wanted: LocalSource,
    real: PathBuf,
}

fn permitted(allowed: &AllowList, wanted: LocalSource) -> Result<Permitted, Error> {
    let unusable = |source| Error::Unusable { path: wanted.path.clone(), source };
    let real = resolve(Path::new(&wanted.path)).map_err(unusable)?;
    match allowed.access(&real) {
        None if is_missing_inside(allowed, &real) => Err(Error::Missing(wanted.path)),
        None => Err(Error::NotAllowed(wanted.path)),
        Some(Access::ReadOnly) if wanted.read_write => Err(Error::NotWritable(wanted.path)),
        Some(_) => Ok(Permitted { wanted, real }),
    }
}

/// Whether it would be in a directory that is granted, but is not there. Who may see the directory may know that.
fn is_missing_inside(allowed: &AllowList, real: &Path) -> bool {
    !real.exists() && real.ancestors().skip(1).any(|above| allowed.access(above).is_some())
}

fn mount(allowed: &AllowList, wanted: LocalSource) -> Result<Prepared, Error> {
    let Permitted { wanted, real } = permitted(allowed, wanted)?;
    if !real.exists() {
        let made = match wanted.create_as {
            CreateAs::NoCreate => return Err(Error::Missing(wanted.path)),
            CreateAs::Directory => DirBuilder::new().recursive(true).mode(0o700).create(&real),
            CreateAs::File => {
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&real).map(drop)
            }
        };
        made.map_err(|source| Error::Unusable { path: wanted.path.clone(), source })?;
    }
    let access = if wanted.read_write { Access::ReadWrite } else { Access::ReadOnly };
    let host = HostPath::pin(real).map_err(|source| Error::Unusable { path: wanted.path, source })?;
    Ok(Prepared { host, access })
}

/// The path without links and `..`. What does not exist yet is resolved as far as it does; what follows must then be
/// plain names, since nobody can tell where a `..` behind a missing directory leads.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let (mut there, mut missing) = (path, Vec::new());
    let mut real = loop {
        match fs::canonicalize(there) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => break outcome?,
        }
        // A link whose target is missing would be followed when the path is made.
        let is_link = there.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        let (Some(parent), Some(name), false) = (there.parent(), there.file_name(), is_link) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        missing.push(name);
        there = parent;
    };
    real.extend(missing.into_iter().rev());
    Ok(real)
}
