//! Length-prefixed messages on the streams beside the control stream.

use bacalhau_protocol::wire::stream::{self, MessageError};
use serde::de::DeserializeOwned;

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The stream ended or broke.
    #[error("the stream is gone: {0}")]
    Stream(#[from] quinn::ReadExactError),
    /// What came is no message.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// Reads one message. Its length is checked before memory is set aside.
pub(super) async fn read<T: DeserializeOwned>(receive: &mut quinn::RecvStream) -> Result<T, ReadError> {
    let mut prefix = [0; 4];
    receive.read_exact(&mut prefix).await?;
    let mut body = vec![0; stream::check_length(prefix)?];
    receive.read_exact(&mut body).await?;
    Ok(stream::decode(&body)?)
}
