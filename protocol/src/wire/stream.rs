//! Streams beside the control stream: logs, results, blobs, artifacts. Each is one bidirectional stream that begins
//! with a length-prefixed request and a length-prefixed reply; bulk bytes follow as they are.

use bytes::{BufMut, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ids::{ExecutionId, JobId};

/// Longest request, reply or log item, bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Most bytes of log text in one [`LogItem`].
pub const MAX_LOG_CHUNK_BYTES: usize = 32 * 1024;

/// A SHA-256.
pub type Sha256Hash = [u8; 32];

/// What the control plane asks of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeRequest {
    /// Output of a task: a [`Reply`], then [`LogItem`]s until [`LogItem::End`].
    Logs {
        /// Whose.
        execution_id: ExecutionId,
        /// Only what is written from now on.
        tail: bool,
        /// Go on until the task ends.
        follow: bool,
    },
    /// The archive of an execution's results: a [`Reply`], then its bytes from `offset`.
    Results {
        /// Whose.
        execution_id: ExecutionId,
        /// Bytes already there.
        offset: u64,
    },
}

/// What a node asks of the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HubRequest {
    /// A blob a task refers to: a [`Reply`], then its bytes from `offset`.
    Blob {
        /// Which one.
        hash: Sha256Hash,
        /// Bytes already there.
        offset: u64,
    },
    /// A module compiled for a profile: a [`Reply`] whose `signature` is set, then the artifact.
    Artifact {
        /// SHA-256 of the module.
        module: Sha256Hash,
        /// Profile it must fit: the JSON of an engine profile.
        profile: String,
    },
    /// The node sends an archive: the reply's `size` tells how many bytes are already there; the node sends the rest
    /// and gets a second [`Reply`] when all is durable.
    StoreResults {
        /// The job.
        job_id: JobId,
        /// Whose.
        execution_id: ExecutionId,
        /// SHA-256 of the whole archive.
        hash: Sha256Hash,
        /// Its size, bytes.
        size: u64,
    },
    /// The node sends a module that the control plane does not have, to ask for its artifact next. Answered as
    /// `StoreResults` is.
    StoreModule {
        /// SHA-256 of the module.
        hash: Sha256Hash,
        /// Its size, bytes.
        size: u64,
    },
}

/// Whether a request is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Yes.
    Ok {
        /// Size of the whole thing, bytes; for uploads: bytes already there; 0 for logs.
        size: u64,
        /// SHA-256 of the whole thing; zeros for logs.
        hash: Sha256Hash,
        /// Ed25519 signature of an artifact; empty otherwise.
        signature: Vec<u8>,
    },
    /// No.
    Refused {
        /// Why, for the program.
        code: ReplyCode,
        /// Why, for people.
        message: String,
    },
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplyCode {
    /// There is no such thing (any more).
    NotFound,
    /// The request makes no sense here.
    Invalid,
    /// Not for this node.
    Forbidden,
    /// A limit is reached.
    Full,
    /// It went wrong on the other side.
    Failed,
}

/// A piece of a task's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogItem {
    /// Standard output.
    Stdout(Vec<u8>),
    /// Standard error.
    Stderr(Vec<u8>),
    /// Nothing more will come.
    End,
}

/// The peer sent what cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// More than [`MAX_MESSAGE_BYTES`].
    #[error("a stream message announces {0} bytes, the limit is {MAX_MESSAGE_BYTES}")]
    TooLong(usize),
    /// Not what was expected.
    #[error("a stream message cannot be read")]
    Malformed(#[from] postcard::Error),
}

/// Encodes with the length in front (`u32`, big-endian).
pub fn encode<T: Serialize>(message: &T) -> BytesMut {
    let body = postcard::to_stdvec(message).expect("stream messages hold only what postcard can write");
    let mut out = BytesMut::with_capacity(4 + body.len());
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_slice(&body);
    out
}

/// Checks an announced length before memory is set aside for it.
pub fn check_length(prefix: [u8; 4]) -> Result<usize, MessageError> {
    let length = u32::from_be_bytes(prefix) as usize;
    if length > MAX_MESSAGE_BYTES { Err(MessageError::TooLong(length)) } else { Ok(length) }
}

/// Decodes a body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, MessageError> {
    Ok(postcard::from_bytes(body)?)
}
