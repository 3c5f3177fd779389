//! Messages at the head of the streams beside the control stream.

use std::io;

use bacalhau_protocol::wire::stream::{self, MessageError, Reply, ReplyCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::quic::{Reading, Writing};

/// A stream is of no more use.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("the stream broke")]
    Broken(#[source] io::Error),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("refused: {message}")]
    Refused { code: ReplyCode, message: String },
}

/// What a peer serves.
pub(super) struct Served {
    pub(super) size: u64,
    pub(super) hash: stream::Sha256Hash,
    pub(super) signature: Vec<u8>,
}

pub(super) async fn write<T: Serialize>(writing: &mut Writing, message: &T) -> Result<(), StreamError> {
    writing.write_all(&stream::encode(message)).await.map_err(broken)
}

pub(super) async fn read<T: DeserializeOwned>(reading: &mut Reading) -> Result<T, StreamError> {
    let mut prefix = [0; 4];
    reading.read_exact(&mut prefix).await.map_err(broken)?;
    let mut body = vec![0; stream::check_length(prefix)?];
    reading.read_exact(&mut body).await.map_err(broken)?;
    Ok(stream::decode(&body)?)
}

pub(super) async fn read_reply(reading: &mut Reading) -> Result<Served, StreamError> {
    match read(reading).await? {
        Reply::Ok { size, hash, signature } => Ok(Served { size, hash, signature }),
        Reply::Refused { code, message } => Err(StreamError::Refused { code, message }),
    }
}

pub(super) fn broken(error: impl std::error::Error + Send + Sync + 'static) -> StreamError {
    StreamError::Broken(io::Error::other(error))
}
