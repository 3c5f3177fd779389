//! What the device asks of the control plane: blobs, artifacts, and a place for results.

use std::collections::BTreeMap;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::wire::stream::{HubRequest, ReplyCode, Sha256Hash};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncSeekExt;
use tokio::sync::watch;
use tokio::time::timeout;

use super::message::{Served, StreamError, read_reply, write};
use super::partial::Partial;
use super::quic::{Connection, Reading};
use super::serve::send_file;
use crate::config::fingerprint_text;

/// How long a request waits for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(120);
/// How long the control plane may take to answer; compiling a module takes its time.
const ANSWER_WAIT: Duration = Duration::from_secs(180);
/// Silence in the middle of a transfer after which it is taken up again.
const STALL: Duration = Duration::from_secs(30);
/// Attempts in a row that bring nothing.
const MAX_FRUITLESS: u32 = 5;
/// Pause after an attempt that brought nothing.
const PAUSE: Duration = Duration::from_secs(1);
/// Largest file fetched.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// Largest compiled module fetched; it is held in memory until it is verified.
const MAX_ARTIFACT_BYTES: u64 = 64 << 20;
/// Bytes read from a stream at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Asks the control plane for things. Requests wait for a connection, and go on where they were when it breaks. Cheap
/// to clone.
#[derive(Clone, Debug)]
pub struct Client {
    connection: watch::Receiver<Option<Connection>>,
    /// Whoever fetches to a path holds its lock, so that two tasks with the same input fetch it once.
    destinations: Arc<Mutex<Locks>>,
}

type Locks = BTreeMap<PathBuf, Weak<tokio::sync::Mutex<()>>>;

/// A compiled module that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Machine code.
    pub bytes: Vec<u8>,
    /// Its SHA-256.
    pub hash: Sha256Hash,
    /// Ed25519 signature, to be checked before the code is used.
    pub signature: Vec<u8>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device is offline.
    #[error("no connection to a control plane for {} s", CONNECTION_WAIT.as_secs())]
    Offline,
    /// The control plane says no; asking again will not help.
    #[error("the control plane refused the request: {message}")]
    Refused {
        /// Why, for the program.
        code: ReplyCode,
        /// Why, for people.
        message: String,
    },
    /// Connections break faster than the transfer gets on.
    #[error("the transfer got nowhere in {MAX_FRUITLESS} attempts")]
    Fruitless(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What came is not what was asked for; it was thrown away.
    #[error("what came has the SHA-256 {got}, expected {expected}")]
    Mismatch {
        /// Hexadecimal.
        expected: String,
        /// Hexadecimal.
        got: String,
    },
    /// More than this device takes.
    #[error("{size} bytes are more than the {limit} this device takes")]
    TooLarge {
        /// What was announced.
        size: u64,
        /// What is taken.
        limit: u64,
    },
    /// A file on this device.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where fetched bytes go.
trait Sink: Send {
    /// Bytes there.
    fn length(&self) -> u64;

    /// Before another attempt: keeps what is worth keeping and tells how much that is.
    fn resume(&mut self) -> u64;

    /// Takes the next bytes.
    fn append(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Sink for Partial {
    fn length(&self) -> u64 {
        self.length()
    }

    fn resume(&mut self) -> u64 {
        self.length()
    }

    async fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.append(bytes).await;
        written.map_err(|source| Error::File { path: self.path().to_owned(), source })
    }
}

/// Kept in memory, and compiled anew perhaps: every attempt begins again.
impl Sink for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn resume(&mut self) -> u64 {
        self.clear();
        0
    }

    fn append(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Error>> + Send {
        self.extend_from_slice(bytes);
        std::future::ready(Ok(()))
    }
}

/// Why one attempt ended early.
enum Failure {
    /// Worth another attempt.
    Broken(StreamError),
    Final(Error),
}

impl Client {
    pub(super) fn new(connection: watch::Receiver<Option<Connection>>) -> Self {
        Self { connection, destinations: Arc::default() }
    }

    /// Whether a request would be sent at once.
    pub fn is_connected(&self) -> bool {
        self.connection.borrow().is_some()
    }

    /// Brings a blob to `destination`, whole, verified and durable, or not at all. What is there already is not fetched
    /// again; what an interrupted transfer left is gone on with.
    pub async fn fetch_blob(&self, hash: Sha256Hash, destination: &Path) -> Result<(), Error> {
        let _lock = self.lock(destination).lock_owned().await;
        if destination.exists() {
            return Ok(());
        }
        self.download(hash, destination).await
    }

    /// Fetches a module compiled for `profile` (the JSON of an engine profile). The caller checks the signature.
    pub async fn fetch_artifact(&self, module: Sha256Hash, profile: &str) -> Result<Artifact, Error> {
        let mut bytes = Vec::new();
        let request = |_| HubRequest::Artifact { module, profile: profile.to_owned() };
        let served = self.transfer(&mut bytes, MAX_ARTIFACT_BYTES, request).await?;
        let hash = verify(served.hash, Sha256::digest(&bytes).into())?;
        Ok(Artifact { bytes, hash, signature: served.signature })
    }

    /// Takes an archive to the control plane; when this returns it is durable there.
    pub async fn store_results(
        &self,
        job_id: &JobId,
        execution_id: &ExecutionId,
        archive: &Path,
        hash: Sha256Hash,
        size: u64,
    ) -> Result<(), Error> {
        let request = HubRequest::StoreResults {
            job_id: job_id.clone(),
            execution_id: execution_id.clone(),
            hash,
            size,
        };
        self.store(&request, Content::File(archive)).await
    }

    /// Takes a module to the control plane, so that it can be compiled there.
    pub async fn store_module(&self, hash: Sha256Hash, wasm: &[u8]) -> Result<(), Error> {
        self.store(&HubRequest::StoreModule { hash, size: wasm.len() as u64 }, Content::Bytes(wasm)).await
    }

    async fn store(&self, request: &HubRequest, content: Content<'_>) -> Result<(), Error> {
        let mut fruitless = 0;
        loop {
            let connection = self.connected().await?;
            match upload(&connection, request, content).await {
                Ok(()) => return Ok(()),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Broken(error)) => self.again(&connection, &mut fruitless, error).await?,
            }
        }
    }

    async fn download(&self, hash: Sha256Hash, destination: &Path) -> Result<(), Error> {
        let file = |source| Error::File { path: destination.to_owned(), source };
        let mut partial = Partial::open(destination).await.map_err(file)?;
        self.transfer(&mut partial, MAX_FILE_BYTES, |offset| HubRequest::Blob { hash, offset }).await?;
        if let Err(mismatch) = verify(hash, partial.hash()) {
            partial.discard().await.map_err(file)?;
            return Err(mismatch);
        }
        partial.finish(destination).await.map_err(file)
    }

    /// Fills `sink` over as many connections as it takes.
    async fn transfer<S: Sink>(
        &self,
        sink: &mut S,
        limit: u64,
        request: impl Fn(u64) -> HubRequest,
    ) -> Result<Served, Error> {
        let mut fruitless = 0;
        loop {
            let connection = self.connected().await?;
            let before = sink.resume();
            match receive(&connection, &request(before), sink, limit).await {
                Ok(served) => return Ok(served),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Broken(error)) => {
                    if sink.resume() > before {
                        fruitless = 0;
                    }
                    self.again(&connection, &mut fruitless, error).await?;
                }
            }
        }
    }

    /// Waits for a connection on which the node is a welcome one.
    async fn connected(&self) -> Result<Connection, Error> {
        let mut connection = self.connection.clone();
        match timeout(CONNECTION_WAIT, connection.wait_for(Option::is_some)).await {
            Ok(Ok(found)) => found.clone().ok_or(Error::Offline),
            _ => Err(Error::Offline),
        }
    }

    /// Decides whether a broken transfer is taken up again, and waits for a reason to believe it will do better: another
    /// connection, or a moment's pause.
    async fn again(&self, broken: &Connection, fruitless: &mut u32, error: StreamError) -> Result<(), Error> {
        tracing::debug!(%error, "transfer interrupted");
        *fruitless += 1;
        if *fruitless >= MAX_FRUITLESS {
            return Err(Error::Fruitless(Box::new(error)));
        }
        let mut connection = self.connection.clone();
        let replaced = |now: &Option<Connection>| !now.as_ref().is_some_and(|now| now.is(broken));
        _ = timeout(PAUSE, connection.wait_for(replaced)).await;
        Ok(())
    }

    fn lock(&self, destination: &Path) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(held) = locks.get(destination).and_then(Weak::upgrade) {
            return held;
        }
        let fresh = Arc::default();
        locks.insert(destination.to_owned(), Arc::downgrade(&fresh));
        fresh
    }
}

async fn receive<S: Sink>(
    connection: &Connection,
    request: &HubRequest,
    sink: &mut S,
    limit: u64,
) -> Result<Served, Failure> {
    let (mut writing, mut reading) = connection.open().await.map_err(broken)?;
    write(&mut writing, request).await?;
    writing.finish().map_err(broken)?;
    let served = answer(&mut reading).await?;
    if served.size > limit {
        return Err(Failure::Final(Error::TooLarge { size: served.size, limit }));
    }
    while sink.length() < served.size {
        let chunk = timeout(STALL, reading.read_chunk(CHUNK_BYTES, true)).await.map_err(broken)?;
        let Some(chunk) = chunk.map_err(broken)? else {
            return Err(broken(io::Error::from(io::ErrorKind::UnexpectedEof)));
        };
        let left = usize::try_from(served.size - sink.length()).unwrap_or(usize::MAX);
        sink.append(&chunk.bytes[..chunk.bytes.len().min(left)]).await.map_err(Failure::Final)?;
    }
    Ok(served)
}

/// What is expected, if that is what came.
fn verify(expected: Sha256Hash, got: Sha256Hash) -> Result<Sha256Hash, Error> {
    if expected == got {
        return Ok(got);
    }
    Err(Error::Mismatch { expected: fingerprint_text(&expected), got: fingerprint_text(&got) })
}

async fn open_at(path: &Path, offset: u64) -> io::Result<File> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(offset)).await?;
    Ok(file)
}

/// What is sent.
#[derive(Clone, Copy)]
enum Content<'a> {
    File(&'a Path),
    Bytes(&'a [u8]),
}

async fn upload(connection: &Connection, request: &HubRequest, content: Content<'_>) -> Result<(), Failure> {
    let (mut writing, mut reading) = connection.open().await.map_err(broken)?;
    write(&mut writing, request).await?;
    let there = answer(&mut reading).await?.size;
    match content {
        Content::Bytes(bytes) => {
            let there = usize::try_from(there).unwrap_or(usize::MAX).min(bytes.len());
            writing.write_all(&bytes[there..]).await.map_err(broken)?;
        }
        Content::File(path) => {
            let file = open_at(path, there).await;
            let file =
                file.map_err(|source| Failure::Final(Error::File { path: path.to_owned(), source }))?;
            send_file(&mut writing, file).await?;
        }
    }
    writing.finish().map_err(broken)?;
    answer(&mut reading).await.map(drop)
}

async fn answer(reading: &mut Reading) -> Result<Served, Failure> {
    Ok(timeout(ANSWER_WAIT, read_reply(reading)).await.map_err(broken)??)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Broken(super::message::broken(error))
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Refused { code, message } => Self::Final(Error::Refused { code, message }),
            other => Self::Broken(other),
        }
    }
}
