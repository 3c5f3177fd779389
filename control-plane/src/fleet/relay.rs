//! Reaching a node for what lies there: the output of a task, the archive of its results.

use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, NodeId};
use bacalhau_protocol::wire::stream::{self, LogItem, NodeRequest, Reply, ReplyCode};
use bytes::Bytes;

use super::{Relay, message};
use crate::blobs::BlobId;

/// How long a node may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// How long a transfer may stand still.
const STALL: Duration = Duration::from_secs(60);
/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// Why a node could not be reached for something.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// It has no session.
    #[error("node {0} is not connected; what it holds can be had when it is back")]
    NotConnected(NodeId),
    /// It said no.
    #[error("node {node}: {message}")]
    Refused {
        /// The node.
        node: NodeId,
        /// Why, for the program.
        code: ReplyCode,
        /// Why, for people.
        message: String,
    },
    /// The archive that was uploaded.
    #[error("reading the stored archive")]
    Stored(#[source] std::io::Error),
    /// The connection broke, or what came made no sense.
    #[error("node {node} could not be asked: {why}")]
    Broken {
        /// The node.
        node: NodeId,
        /// What happened.
        why: String,
    },
}

/// The output of a task as it comes.
pub struct LogStream {
    node: NodeId,
    receive: quinn::RecvStream,
}

/// The bytes of a results archive from an offset on.
pub struct ResultStream {
    /// Of the whole archive.
    pub size: u64,
    /// SHA-256 of the whole archive.
    pub hash: stream::Sha256Hash,
    source: Source,
}

enum Source {
    Blob(tokio::fs::File),
    Node { node: NodeId, receive: quinn::RecvStream },
}

impl Relay {
    /// Opens a task's output.
    pub async fn logs(
        &self,
        node: &NodeId,
        execution_id: ExecutionId,
        tail: bool,
        follow: bool,
    ) -> Result<LogStream, RelayError> {
        let (_, receive) = self.ask(node, &NodeRequest::Logs { execution_id, tail, follow }).await?;
        Ok(LogStream { node: node.clone(), receive })
    }

    /// Opens the archive of an execution's results: from the blobs when it was uploaded, else from its node.
    pub async fn results(
        &self,
        node: &NodeId,
        execution_id: ExecutionId,
        hash: Option<stream::Sha256Hash>,
        offset: u64,
    ) -> Result<ResultStream, RelayError> {
        if let Some(hash) = hash
            && let Ok(reader) = self.shared.blobs.reader(BlobId(hash), offset).await
        {
            return Ok(ResultStream { size: reader.size, hash, source: Source::Blob(reader.file) });
        }
        let (reply, receive) = self.ask(node, &NodeRequest::Results { execution_id, offset }).await?;
        let source = Source::Node { node: node.clone(), receive };
        Ok(ResultStream { size: reply.0, hash: reply.1, source })
    }

    async fn ask(
        &self,
        node: &NodeId,
        request: &NodeRequest,
    ) -> Result<((u64, stream::Sha256Hash), quinn::RecvStream), RelayError> {
        let connection =
            self.shared.sessions.connection(node).ok_or_else(|| RelayError::NotConnected(node.clone()))?;
        let asked = async {
            let (mut send, mut receive) = connection.open_bi().await.map_err(|error| error.to_string())?;
            send.write_all(&stream::encode(request)).await.map_err(|error| error.to_string())?;
            let _ = send.finish();
            let reply: Reply = message::read(&mut receive).await.map_err(|error| error.to_string())?;
            Ok((reply, receive))
        };
        let broken = |why| RelayError::Broken { node: node.clone(), why };
        let answer = tokio::time::timeout(ANSWER_TIME, asked).await;
        let (reply, receive) = answer.map_err(|_| broken("it did not answer".to_owned()))?.map_err(broken)?;
        match reply {
            Reply::Ok { size, hash, .. } => Ok(((size, hash), receive)),
            Reply::Refused { code, message } => {
                Err(RelayError::Refused { node: node.clone(), code, message })
            }
        }
    }
}

impl LogStream {
    /// The next piece; `None` when nothing more will come.
    pub async fn next(&mut self) -> Result<Option<LogItem>, RelayError> {
        match message::read(&mut self.receive).await {
            Ok(LogItem::End) => Ok(None),
            Ok(item) => Ok(Some(item)),
            Err(error) => Err(RelayError::Broken { node: self.node.clone(), why: error.to_string() }),
        }
    }
}

impl ResultStream {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RelayError> {
        match &mut self.source {
            Source::Blob(file) => {
                use tokio::io::AsyncReadExt;
                let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
                let read = file.read_buf(&mut chunk).await.map_err(RelayError::Stored)?;
                Ok((read > 0).then(|| chunk.freeze()))
            }
            Source::Node { node, receive } => {
                let broken = |why: String| RelayError::Broken { node: node.clone(), why };
                let chunk = tokio::time::timeout(STALL, receive.read_chunk(CHUNK, true)).await;
                let chunk = chunk.map_err(|_| broken("the transfer stands still".to_owned()))?;
                Ok(chunk.map_err(|error| broken(error.to_string()))?.map(|chunk| chunk.bytes))
            }
        }
    }
}
