//! What a node may ask for beside the control stream: blobs, compiled modules, a place for its results.

use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, JobId, NodeId};
use bacalhau_protocol::wire::stream::{self, HubRequest, Reply, ReplyCode, Sha256Hash};
use tokio::io::AsyncReadExt;

use super::{Shared, message};
use crate::blobs::{self, BlobId, Stored};

/// How long the other side may be silent in the middle of a transfer.
const STALL: Duration = Duration::from_secs(60);
/// Bytes moved at a time.
const CHUNK: usize = 64 * 1024;
/// Largest module taken from a node to be compiled, bytes; a node itself takes no larger one.
const MAX_MODULE_BYTES: u64 = 128 * 1024 * 1024;
/// Why a request could not be answered in full. The node sees a cut stream and asks again.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the stream is gone: {0}")]
    Io(#[from] std::io::Error),
    #[error("the stream is gone: {0}")]
    Write(#[from] quinn::WriteError),
    #[error(transparent)]
    Message(#[from] message::ReadError),
    #[error("the other side stalled")]
    Stalled,
    #[error("the blobs: {0}")]
    Blobs(#[from] blobs::Error),
}

/// Answers one request of a node.
pub(super) async fn answer(
    shared: Arc<Shared>,
    node: NodeId,
    is_member: bool,
    mut send: quinn::SendStream,
    mut receive: quinn::RecvStream,
) {
    let answered = async {
        let request: HubRequest = within(async { Ok(message::read(&mut receive).await?) }).await?;
        if !is_member {
            let message = format!("node {node} is not approved yet");
            return reply(&mut send, &refused(ReplyCode::Forbidden, message)).await;
        }
        match request {
            HubRequest::Blob { hash, offset } => {
                send_blob(&shared, &mut send, BlobId(hash), offset, Vec::new()).await
            }
            HubRequest::Artifact { module, profile } => {
                send_artifact(&shared, &mut send, module, profile).await
            }
            HubRequest::StoreResults { job_id, execution_id, hash, size } => {
                if !is_its_own(&shared, &node, &job_id, &execution_id).await {
                    let message = format!("execution {execution_id} is not one of node {node}'s");
                    return reply(&mut send, &refused(ReplyCode::Forbidden, message)).await;
                }
                let expected = Stored { id: BlobId(hash), size };
                store(&shared, execution_id.as_str(), expected, &mut send, &mut receive).await
            }
            HubRequest::StoreModule { size, .. } if size > MAX_MODULE_BYTES => {
                let message =
                    format!("a module may have at most {MAX_MODULE_BYTES} bytes, this one has {size}");
                reply(&mut send, &refused(ReplyCode::Full, message)).await
            }
            HubRequest::StoreModule { hash, size } => {
                let expected = Stored { id: BlobId(hash), size };
                store(&shared, node.as_str(), expected, &mut send, &mut receive).await
            }
        }
    };
    if let Err(error) = answered.await {
        tracing::debug!(%node, %error, "a request of a node was not answered in full");
    }
    let _ = send.finish();
}

async fn send_blob(
    shared: &Shared,
    send: &mut quinn::SendStream,
    id: BlobId,
    offset: u64,
    signature: Vec<u8>,
) -> Result<(), Broken> {
    let reader = match shared.blobs.reader(id, offset).await {
        Ok(reader) => reader,
        Err(error) => return reply(send, &refused(code_of(&error), error.to_string())).await,
    };
    reply(send, &Reply::Ok { size: reader.size, hash: id.0, signature }).await?;
    let mut file = reader.file;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        within(async { Ok(send.write_all(&chunk[..read]).await?) }).await?;
    }
}

async fn send_artifact(
    shared: &Shared,
    send: &mut quinn::SendStream,
    module: Sha256Hash,
    profile: String,
) -> Result<(), Broken> {
    match shared.artifacts.get(&shared.blobs, &shared.authority, module, profile).await {
        Ok((id, signature)) => send_blob(shared, send, id, 0, signature).await,
        Err((code, message)) => reply(send, &refused(code, message)).await,
    }
}

/// Whether the execution was given to the node, now or earlier.
async fn is_its_own(shared: &Shared, node: &NodeId, job: &JobId, execution: &ExecutionId) -> bool {
    let stored = shared.orchestrator.reader().execution(job, execution).await;
    matches!(stored, Ok(Some(execution)) if execution.node_id == *node)
}

/// Takes in what a node sends; `owner` keeps the unfinished uploads of different senders apart.
async fn store(
    shared: &Shared,
    owner: &str,
    expected: Stored,
    send: &mut quinn::SendStream,
    receive: &mut quinn::RecvStream,
) -> Result<(), Broken> {
    let mut upload = match shared.blobs.upload(owner, expected).await {
        Ok(upload) => upload,
        Err(error) => return reply(send, &refused(code_of(&error), error.to_string())).await,
    };
    reply(send, &Reply::Ok { size: upload.held(), hash: expected.id.0, signature: Vec::new() }).await?;
    while upload.held() < expected.size {
        let chunk =
            within(async { Ok(receive.read_chunk(CHUNK, true).await.map_err(std::io::Error::other)?) })
                .await?;
        let Some(chunk) = chunk else { return Ok(()) };
        upload.write(chunk.bytes).await?;
    }
    match upload.finish().await {
        Ok(stored) => {
            reply(send, &Reply::Ok { size: stored.size, hash: stored.id.0, signature: Vec::new() }).await
        }
        Err(error) => reply(send, &refused(code_of(&error), error.to_string())).await,
    }
}

pub(super) fn code_of(error: &blobs::Error) -> ReplyCode {
    match error {
        blobs::Error::Missing { .. } => ReplyCode::NotFound,
        blobs::Error::TooLarge { .. } | blobs::Error::Quota { .. } | blobs::Error::Crowded { .. } => {
            ReplyCode::Full
        }
        blobs::Error::Mismatch { .. } | blobs::Error::Surplus { .. } | blobs::Error::PastEnd { .. } => {
            ReplyCode::Invalid
        }
        _ => ReplyCode::Failed,
    }
}

fn refused(code: ReplyCode, message: String) -> Reply {
    Reply::Refused { code, message }
}

async fn reply(send: &mut quinn::SendStream, reply: &Reply) -> Result<(), Broken> {
    within(async { Ok(send.write_all(&stream::encode(reply)).await?) }).await
}

async fn within<T>(work: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    tokio::time::timeout(STALL, work).await.map_err(|_| Broken::Stalled)?
}
