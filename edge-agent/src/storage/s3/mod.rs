//! Input source `s3`: objects of a bucket, of AWS or of whoever speaks like it, as files of a directory.
//!
//! What to bring and where to is decided in [`plan`]; what S3's answers mean in [`trouble`]; both know nothing of
//! networks and disks. Objects are streamed to the disk, a few at a time, and go on where a transfer broke off.

mod fetch;
pub mod plan;
mod service;
pub mod trouble;

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::InvalidParams;
use bacalhau_protocol::spec::s3::S3Source;
use futures_util::future::BoxFuture;

use super::{Prepared, Storage, Wanted};
use crate::clock::Clock;
use crate::disk;
use crate::executor::{Access, start_afresh};
use crate::tree;
use fetch::Budget;
use service::Service;
use trouble::Place;

/// Most objects of one input.
pub const MAX_OBJECTS: usize = 20_000;
/// Most keys looked at for one input.
pub const MAX_LISTED_KEYS: usize = 1_000_000;
/// Objects of one input that are fetched at the same time.
pub const MAX_PARALLEL_OBJECTS: usize = 4;
/// Longest answer other than an object, bytes. A page of a thousand keys of the greatest length has a quarter of it.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

/// How inputs are fetched.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What requests are signed by.
    pub clock: Clock,
    /// Longest silence of a service in the middle of an answer.
    pub read_timeout: Duration,
    /// Attempts in a row that bring nothing.
    pub attempts: NonZeroU32,
}

/// Why objects are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The job says nothing that can be understood.
    #[error(transparent)]
    Params(#[from] InvalidParams),
    /// Jobs have no business there.
    #[error(
        "Endpoint {0} is this node or its link, which jobs cannot reach; its operator may allow it as AWS_ENDPOINT_URL_S3"
    )]
    Inside(String),
    /// Objects that can be no files.
    #[error("{place}")]
    Plan {
        /// Where.
        place: Arc<Place>,
        /// Which.
        source: plan::Error,
    },
    /// S3 said no.
    #[error("{place}: {meaning}")]
    Refused {
        /// Of what.
        place: Arc<Place>,
        /// What it means and what to do.
        meaning: String,
    },
    /// No answer.
    #[error("{place}: the service cannot be reached; check Endpoint, Region and this node's network")]
    Unreachable {
        /// Where.
        place: Arc<Place>,
        /// Why.
        source: super::Error,
    },
    /// Somebody else answered.
    #[error("{place}: what answered ({status}) does not speak like S3; check Endpoint")]
    NotS3 {
        /// Where.
        place: Arc<Place>,
        /// HTTP status.
        status: u16,
        /// How that was noticed.
        source: super::Error,
    },
    /// Refused at first and granted then.
    #[error("{place}: the service contradicts itself; try again")]
    Unsteady {
        /// Where.
        place: Arc<Place>,
    },
    /// The transfer broke off, again and again.
    #[error("{place}: the transfer broke off again and again")]
    Interrupted {
        /// Of what.
        place: Arc<Place>,
        /// How the last one did.
        source: super::Error,
    },
    /// It is not what the job expects.
    #[error(
        "{place}: SHA-256 is {found}, not {wanted} as ChecksumSHA256 says; the object is another one or damaged"
    )]
    Checksum {
        /// Of what.
        place: Arc<Place>,
        /// In the job.
        wanted: String,
        /// Of the object.
        found: String,
    },
    /// No object at all.
    #[error("{place}: no object has such a key{}; check Key and Filter", filtered(filter))]
    Nothing {
        /// Where.
        place: Arc<Place>,
        /// What else was asked of keys.
        filter: String,
    },
    /// More than a device should take.
    #[error(
        "{place}: more than {MAX_OBJECTS} objects, or {MAX_LISTED_KEYS} keys to look at; narrow Key or Filter, or spread \
         the objects with Partition"
    )]
    TooMany {
        /// Where.
        place: Arc<Place>,
    },
    /// There is no room for them.
    #[error("{place}: {objects} objects take {bytes} bytes, and {room} are left {reason}")]
    TooLarge {
        /// Where.
        place: Arc<Place>,
        /// How many.
        objects: usize,
        /// How large they are together.
        bytes: u64,
        /// How large they may be.
        room: u64,
        /// Who says so.
        reason: &'static str,
    },
    /// There is no room for them, and S3 had said otherwise.
    #[error("the objects are larger than the service said, and there is no room for them")]
    Outgrown,
    /// The disk says no.
    #[error("the objects cannot be kept on this node")]
    Disk(#[source] io::Error),
}

fn filtered(filter: &str) -> String {
    if filter.is_empty() { String::new() } else { format!(" that Filter {filter:?} is found in") }
}

/// Brings objects from S3. Nothing is kept between inputs, and nothing runs while there is none.
pub struct S3Storage {
    settings: Settings,
}

impl S3Storage {
    /// With the operator's settings; credentials and region are looked for with each input, where AWS's own tools look.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Leaves nothing behind when it fails.
    async fn bring(&self, wanted: Wanted<'_>) -> Result<Prepared, Error> {
        let brought = self.fetch(wanted).await;
        if brought.is_err() {
            let place = wanted.place.to_owned();
            if let Err(error) = blocking(move || tree::remove(&place)).await {
                tracing::warn!(%error, "what an input left cannot be removed");
            }
        }
        let host = brought?.into();
        Ok(Prepared { host, access: Access::ReadOnly })
    }

    /// The directory becomes what it is called when everything is in it.
    async fn fetch(&self, wanted: Wanted<'_>) -> Result<PathBuf, Error> {
        let source = S3Source::parse(wanted.source)?;
        let service = Service::connect(&source, &self.settings).await?;
        let found = fetch::find(&service, &source, wanted.partition).await?;
        let keys: Vec<&str> = found.objects.iter().map(|object| object.key.as_str()).collect();
        let paths = plan::paths(&found.key, &keys)
            .map_err(|source| Error::Plan { place: service.place.clone(), source })?;
        let (partial, whole) = (wanted.place.join("partial"), wanted.place.join("objects"));
        let (place, directory) = (wanted.place.to_owned(), partial.clone());
        blocking(move || make(&place, &directory)).await?;
        let room = room(wanted, &service.place, &found.objects).await?;
        let budget = Budget::new(room);
        fetch::bring(&service, &self.settings, &found.objects, &paths, &partial, &budget).await?;
        let result = whole.clone();
        blocking(move || fs::rename(partial, whole)).await?;
        Ok(result)
    }
}

/// A task that does not run as root must be able to look into it.
fn make(place: &Path, directory: &Path) -> io::Result<()> {
    start_afresh(place)?;
    DirBuilder::new().recursive(true).create(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o755))
}

/// How much may be written, which is enough.
async fn room(wanted: Wanted<'_>, place: &Arc<Place>, objects: &[fetch::Object]) -> Result<u64, Error> {
    let directory = wanted.place.to_owned();
    let free = blocking(move || disk::free(&directory)).await?;
    let (room, reason) = match wanted.disk_bytes {
        Some(limit) if limit < free => (limit, "to this task by Resources.Disk"),
        _ => (free, "on this node's disk"),
    };
    let bytes = objects.iter().fold(0_u64, |sum, object| sum.saturating_add(object.size));
    if bytes > room {
        return Err(Error::TooLarge { place: place.clone(), objects: objects.len(), bytes, room, reason });
    }
    Ok(room)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done =
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
    done.map_err(Error::Disk)
}

impl Storage for S3Storage {
    fn kinds(&self) -> &'static [&'static str] {
        &[S3Source::KIND]
    }

    fn check<'a>(&'a self, source: &'a SpecConfig) -> BoxFuture<'a, Result<(), super::Error>> {
        Box::pin(async move { Ok(S3Source::parse(source).map(drop)?) })
    }

    fn is_local(&self, _source: &SpecConfig) -> bool {
        false
    }

    fn prepare<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Prepared, super::Error>> {
        Box::pin(async move { Ok(self.bring(wanted).await?) })
    }
}
