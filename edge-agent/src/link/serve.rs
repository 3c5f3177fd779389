//! What the control plane may read from this device.

use std::io::{self, SeekFrom};
use std::path::PathBuf;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::stream::{LogItem, NodeRequest, Reply, ReplyCode, Sha256Hash};
use futures_util::future::BoxFuture;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

use super::message::{StreamError, broken, read, write};
use super::quic::{Reading, Writing};

/// Bytes of an archive read from the disk at a time.
const CHUNK_BYTES: usize = 32 * 1024;

/// The device's side of logs and results. Both may be asked at any time, several at once, also for executions that
/// have ended or never were.
pub trait DeviceFiles: Send + Sync + 'static {
    /// The archive with an execution's results, whole and unchanging.
    fn results(&self, execution: ExecutionId) -> BoxFuture<'static, Result<Archive, Unserved>>;

    /// The output of a task: everything, or with `tail` only what comes from now on; with `follow` until the task ends,
    /// else up to what is there. The last item is [`LogItem::End`]. A dropped receiver means that nobody reads any
    /// more. Items hold at most `MAX_LOG_CHUNK_BYTES`.
    fn logs(
        &self,
        execution: ExecutionId,
        tail: bool,
        follow: bool,
    ) -> BoxFuture<'static, Result<mpsc::Receiver<LogItem>, Unserved>>;
}

/// A finished file and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of it.
    pub hash: Sha256Hash,
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// For the program.
    pub code: ReplyCode,
    /// For people.
    pub message: String,
}

impl Unserved {
    /// There is no such thing (any more).
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: ReplyCode::NotFound, message: message.into() }
    }

    /// Something went wrong here.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: ReplyCode::Failed, message: message.into() }
    }
}

/// Serves one stream that the control plane opened.
pub(super) async fn serve(
    files: &dyn DeviceFiles,
    mut writing: Writing,
    mut reading: Reading,
) -> Result<(), StreamError> {
    match read(&mut reading).await? {
        NodeRequest::Results { execution_id, offset } => match files.results(execution_id).await {
            Ok(archive) => send_archive(&mut writing, &archive, offset).await,
            Err(unserved) => refuse(&mut writing, unserved).await,
        },
        NodeRequest::Logs { execution_id, tail, follow } => {
            match files.logs(execution_id, tail, follow).await {
                Ok(items) => send_logs(&mut writing, items).await,
                Err(unserved) => refuse(&mut writing, unserved).await,
            }
        }
    }?;
    writing.finish().map_err(broken)
}

async fn send_archive(writing: &mut Writing, archive: &Archive, offset: u64) -> Result<(), StreamError> {
    let opened = async {
        let mut file = File::open(&archive.path).await?;
        file.seek(SeekFrom::Start(offset.min(archive.size))).await?;
        Ok::<_, io::Error>(file)
    };
    let file = match opened.await {
        Ok(file) => file,
        Err(error) => {
            let message = format!("the results cannot be read: {error}");
            return refuse(writing, Unserved { code: ReplyCode::NotFound, message }).await;
        }
    };
    let reply = Reply::Ok { size: archive.size, hash: archive.hash, signature: Vec::new() };
    write(writing, &reply).await?;
    send_file(writing, file).await
}

/// Sends a file from where it stands.
pub(super) async fn send_file(writing: &mut Writing, mut file: File) -> Result<(), StreamError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).await.map_err(StreamError::Broken)? {
            0 => return Ok(()),
            length => writing.write_all(&chunk[..length]).await.map_err(broken)?,
        }
    }
}

async fn send_logs(writing: &mut Writing, mut items: mpsc::Receiver<LogItem>) -> Result<(), StreamError> {
    write(writing, &Reply::Ok { size: 0, hash: [0; 32], signature: Vec::new() }).await?;
    let stopped = writing.stopped();
    tokio::pin!(stopped);
    loop {
        let item = tokio::select! {
            item = items.recv() => item.unwrap_or(LogItem::End),
            _ = &mut stopped => return Ok(()),
        };
        write(writing, &item).await?;
        if item == LogItem::End {
            return Ok(());
        }
    }
}

async fn refuse(writing: &mut Writing, unserved: Unserved) -> Result<(), StreamError> {
    let Unserved { code, message } = unserved;
    write(writing, &Reply::Refused { code, message }).await
}
