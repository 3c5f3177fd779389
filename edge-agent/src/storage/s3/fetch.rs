//! Lists objects and brings them to the disk.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use bacalhau_protocol::spec::s3::{Key, S3Source};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::time::timeout;

use super::plan;
use super::service::Service;
use super::trouble::{Answer, Permission, Place, meaning};
use super::{Error, MAX_LISTED_KEYS, MAX_OBJECTS, MAX_PARALLEL_OBJECTS, Settings};
use crate::chain::chain;
use crate::storage::Partition;

/// Content type of an object that stands for a directory.
const DIRECTORY: &str = "application/x-directory";
/// Wait before a broken transfer goes on; longer with every failure in a row.
const PAUSE: Duration = Duration::from_secs(1);

/// An object to bring.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) size: u64,
    /// What it must still be: set for a single object.
    tag: Option<String>,
    version: Option<String>,
    checksum: Option<String>,
}

/// What an execution gets.
pub(super) struct Found {
    pub(super) objects: Vec<Object>,
    /// Which keys were meant in the end.
    pub(super) key: Key,
}

/// Asks S3 what there is.
pub(super) async fn find(service: &Service, source: &S3Source, partition: Partition) -> Result<Found, Error> {
    let Key::Object(key) = &source.key else { return list(service, source, partition).await };
    let Some(object) = head(service, source, key).await? else {
        let source = S3Source { key: Key::Prefix(format!("{key}/")), ..source.clone() };
        return list(service, &source, partition).await;
    };
    let objects = if plan::belongs_to(source, key, partition) { vec![object] } else { Vec::new() };
    Ok(Found { objects, key: source.key.clone() })
}

/// A single object; `None` if it stands for a directory.
async fn head(service: &Service, source: &S3Source, key: &str) -> Result<Option<Object>, Error> {
    let request = service.client.head_object().bucket(&source.bucket).key(key);
    let request = request.set_version_id(source.version_id.clone()).checksum_mode(ChecksumMode::Enabled);
    let needed = if source.version_id.is_some() { Permission::GetVersion } else { Permission::Get };
    let head = match request.send().await {
        Ok(head) => head,
        // Answers to HEAD have no body that would say what is wrong.
        Err(SdkError::ServiceError(_)) => {
            let request = service.client.get_object().bucket(&source.bucket).key(key);
            let request = request.set_version_id(source.version_id.clone());
            return match request.range("bytes=0-0").send().await {
                Err(error) => Err(failed(service, needed, error)),
                Ok(_) => Err(Error::Unsteady { place: service.place.clone() }),
            };
        }
        Err(error) => return Err(failed(service, needed, error)),
    };
    if head.content_type() == Some(DIRECTORY) {
        return Ok(None);
    }
    if let (Some(wanted), Some(found)) = (&source.checksum_sha256, head.checksum_sha256())
        && wanted != found
    {
        let (wanted, found) = (wanted.clone(), found.to_owned());
        return Err(Error::Checksum { place: service.place.clone(), wanted, found });
    }
    Ok(Some(Object {
        key: key.to_owned(),
        size: size_of(head.content_length()),
        tag: head.e_tag().map(str::to_owned),
        version: source.version_id.clone(),
        // Of an object that came in parts only S3 knows what was hashed.
        checksum: source.checksum_sha256.clone().filter(|checksum| !checksum.contains('-')),
    }))
}

async fn list(service: &Service, source: &S3Source, partition: Partition) -> Result<Found, Error> {
    let mut objects = Vec::new();
    let (mut listed, mut met) = (0, 0_u64);
    let mut next = None;
    loop {
        let request = service.client.list_objects_v2().bucket(&source.bucket).prefix(source.key.prefix());
        let page = request.set_continuation_token(next.take()).send().await;
        let page = page.map_err(|error| failed(service, Permission::List, error))?;
        for object in page.contents() {
            let Some(key) = object.key().filter(|key| plan::is_meant(source, key)) else { continue };
            met += 1;
            if plan::belongs_to(source, key, partition) {
                let size = size_of(object.size());
                objects.push(Object { key: key.to_owned(), size, tag: None, version: None, checksum: None });
            }
        }
        listed += page.contents().len().max(1);
        if objects.len() > MAX_OBJECTS || listed > MAX_LISTED_KEYS {
            return Err(Error::TooMany { place: service.place.clone() });
        }
        next = page.next_continuation_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    if met == 0 {
        let filter = source.filter.as_ref().map(ToString::to_string).unwrap_or_default();
        return Err(Error::Nothing { place: service.place.clone(), filter });
    }
    Ok(Found { objects, key: source.key.clone() })
}

fn size_of(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

/// Bytes that may still be written. S3 says how much there is, but whoever answers in its name may say anything.
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    fn take(&self, bytes: u64) -> Result<(), Error> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| Error::Outgrown)
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Brings all of `objects` to `paths` below `directory`, which exists.
pub(super) async fn bring(
    service: &Service,
    settings: &Settings,
    objects: &[Object],
    paths: &[String],
    directory: &Path,
    budget: &Budget,
) -> Result<(), Error> {
    let mut running = FuturesUnordered::new();
    for (object, path) in objects.iter().zip(paths) {
        if running.len() >= MAX_PARALLEL_OBJECTS {
            running.try_next().await?;
        }
        running.push(Transfer { service, settings, object, budget }.bring(directory, path));
    }
    while running.try_next().await?.is_some() {}
    Ok(())
}

/// Makes the directories above a file. Tasks that do not run as root must be able to look into them.
async fn make_way(directory: &Path, path: &str) -> Result<PathBuf, Error> {
    let mut made = directory.to_owned();
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in above.split('/').filter(|part| !part.is_empty()) {
        made.push(part);
        match fs::create_dir(&made).await {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made_now => {
                made_now.map_err(Error::Disk)?;
                fs::set_permissions(&made, Permissions::from_mode(0o755)).await.map_err(Error::Disk)?;
            }
        }
    }
    Ok(made.join(name))
}

/// One object on its way to the disk.
#[derive(Clone, Copy)]
struct Transfer<'a> {
    service: &'a Service,
    settings: &'a Settings,
    object: &'a Object,
    budget: &'a Budget,
}

/// What is on the disk of an object.
struct Partial {
    file: File,
    bytes: u64,
    hash: Sha256,
    /// Of which object these bytes are.
    tag: Option<String>,
}

impl Partial {
    async fn begin_anew(&mut self, budget: &Budget) -> std::io::Result<()> {
        if self.bytes > 0 {
            self.file.flush().await?;
            self.file.set_len(0).await?;
            self.file.rewind().await?;
            budget.give_back(self.bytes);
            (self.bytes, self.hash) = (0, Sha256::new());
        }
        Ok(())
    }
}

/// How an attempt ended that did not end well.
enum Broken {
    /// Another attempt may go on where it ended.
    Again(Error),
    /// Nothing will be different.
    Off(Error),
}

impl Transfer<'_> {
    async fn bring(self, directory: &Path, path: &str) -> Result<(), Error> {
        let path = make_way(directory, path).await?;
        let file = OpenOptions::new().write(true).create_new(true).open(path).await.map_err(Error::Disk)?;
        let tag = self.object.tag.clone();
        let mut partial = Partial { file, bytes: 0, hash: Sha256::new(), tag };
        let mut failures = 0;
        loop {
            let before = partial.bytes;
            match self.attempt(&mut partial).await {
                Ok(()) => break,
                Err(Broken::Off(error)) => return Err(error),
                Err(Broken::Again(error)) => {
                    failures = if partial.bytes > before { 1 } else { failures + 1 };
                    if failures >= self.settings.attempts.get() {
                        return Err(error);
                    }
                    tracing::debug!(key = self.object.key, error = chain(&error), "transfer is tried again");
                    tokio::time::sleep(PAUSE * failures).await;
                }
            }
        }
        self.check(partial.hash)?;
        partial.file.flush().await.map_err(Error::Disk)?;
        partial.file.set_permissions(Permissions::from_mode(0o644)).await.map_err(Error::Disk)
    }

    async fn attempt(&self, partial: &mut Partial) -> Result<(), Broken> {
        // What was whole and yet not right begins anew.
        if partial.bytes >= self.object.size {
            partial.begin_anew(self.budget).await.map_err(disk)?;
        }
        let mut answer = self.ask(partial).await.map_err(Broken::Off)?;
        // Some services send everything whatever was asked for.
        if answer.content_range().is_none() {
            partial.begin_anew(self.budget).await.map_err(disk)?;
        }
        if partial.tag.is_none() {
            partial.tag = answer.e_tag().map(str::to_owned);
        }
        loop {
            let chunk = match timeout(self.settings.read_timeout, answer.body.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => {
                    let place = self.place();
                    return Err(Broken::Again(Error::Interrupted { place, source: Box::new(error) }));
                }
                Err(silence) => {
                    let place = self.place();
                    return Err(Broken::Again(Error::Interrupted { place, source: Box::new(silence) }));
                }
            };
            self.budget.take(chunk.len() as u64).map_err(Broken::Off)?;
            if self.object.checksum.is_some() {
                partial.hash.update(&chunk);
            }
            partial.file.write_all(&chunk).await.map_err(disk)?;
            partial.bytes += chunk.len() as u64;
        }
    }

    async fn ask(&self, partial: &Partial) -> Result<GetObjectOutput, Error> {
        let Object { key, version, .. } = self.object;
        let request = self.service.client.get_object().bucket(&self.service.place.bucket).key(key);
        let mut request = request.set_version_id(version.clone()).set_if_match(partial.tag.clone());
        if partial.bytes > 0 {
            request = request.range(format!("bytes={}-", partial.bytes));
        }
        let needed = if version.is_some() { Permission::GetVersion } else { Permission::Get };
        request.send().await.map_err(|error| match failed(self.service, needed, error) {
            Error::Refused { meaning, .. } => Error::Refused { place: self.place(), meaning },
            Error::Unreachable { source, .. } => Error::Unreachable { place: self.place(), source },
            other => other,
        })
    }

    fn check(&self, hash: Sha256) -> Result<(), Error> {
        let Some(wanted) = &self.object.checksum else { return Ok(()) };
        let found = STANDARD.encode(hash.finalize());
        if *wanted == found {
            return Ok(());
        }
        Err(Error::Checksum { place: self.place(), wanted: wanted.clone(), found })
    }

    fn place(&self) -> Arc<Place> {
        Arc::new(Place { key: self.object.key.clone(), ..Place::clone(&self.service.place) })
    }
}

fn disk(error: std::io::Error) -> Broken {
    Broken::Off(Error::Disk(error))
}

/// What a request that failed means.
fn failed<E>(service: &Service, needed: Permission, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let place = service.place.clone();
    let status = error.raw_response().map(|raw| raw.status());
    match &error {
        SdkError::ServiceError(refusal) if !status.is_some_and(|status| status.is_success()) => {
            let raw = refusal.raw();
            let answer = Answer {
                status: raw.status().as_u16(),
                code: refusal.err().code().unwrap_or_default().to_owned(),
                message: refusal.err().message().unwrap_or_default().to_owned(),
                region: raw.headers().get("x-amz-bucket-region").map(str::to_owned),
            };
            Error::Refused { meaning: meaning(&place, needed, &answer), place }
        }
        SdkError::ServiceError(_) | SdkError::ResponseError(_) => {
            let status = status.map_or(0, |status| status.as_u16());
            Error::NotS3 { place, status, source: Box::new(error) }
        }
        _ => Error::Unreachable { place, source: Box::new(error) },
    }
}
