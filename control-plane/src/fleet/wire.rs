//! The control stream and the machine that speaks on it.

use std::time::Duration;

use bacalhau_protocol::link::{HubEvent, HubLink, LinkError};
use bacalhau_protocol::wire::{Hello, Refusal, close};
use bytes::BytesMut;

use crate::orchestrator::ChangeError;

/// How long a revoked or refused node may take to hear it.
const PARTING_TIME: Duration = Duration::from_secs(5);
/// Bytes taken from the control stream at a time.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the connection is gone: {0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error("the control stream is gone: {0}")]
    Write(#[from] quinn::WriteError),
    #[error("the control stream is gone: {0}")]
    Read(#[from] quinn::ReadError),
    #[error("the node broke the protocol: {0}")]
    Link(#[from] LinkError),
    #[error("the node gave no usable certificate")]
    Certificate,
    #[error("the node did not introduce itself in time")]
    Silent,
    #[error("the node reads too slowly")]
    Slow,
    #[error("its report could not be made durable: {0}")]
    Change(#[from] ChangeError),
    #[error("the node was not let in")]
    Refused,
    #[error("the node is no longer a member")]
    Revoked,
    #[error("an administrator decided about the node while it was let in; it asks again")]
    Overtaken,
    #[error("the agent stopped")]
    Goodbye,
}

impl Ended {
    pub(super) fn close_code(&self) -> u32 {
        match self {
            Self::Connection(_) | Self::Write(_) | Self::Read(_) | Self::Goodbye => close::NORMAL,
            Self::Link(_) | Self::Certificate | Self::Silent => close::PROTOCOL,
            Self::Slow | Self::Change(_) | Self::Overtaken => close::TROUBLE,
            Self::Refused => close::REFUSED,
            Self::Revoked => close::REVOKED,
        }
    }

    /// The API's words for `LastError`.
    pub(super) fn for_people(&self) -> String {
        match self {
            Self::Connection(quinn::ConnectionError::TimedOut) => "heartbeat timeout".to_owned(),
            Self::Connection(quinn::ConnectionError::ApplicationClosed(_)) | Self::Goodbye => {
                "graceful shutdown".to_owned()
            }
            Self::Revoked => "node rejected".to_owned(),
            other => other.to_string(),
        }
    }
}

/// The control stream, its two directions and what is on its way.
pub(super) struct Wire {
    pub(super) connection: quinn::Connection,
    pub(super) send: quinn::SendStream,
    pub(super) receive: quinn::RecvStream,
    pub(super) link: HubLink,
    pub(super) outgoing: BytesMut,
}

impl Wire {
    /// Waits for the node's first message.
    pub(super) async fn greeted(connection: &quinn::Connection) -> Result<(Self, Box<Hello>), Ended> {
        let (send, receive) = connection.accept_bi().await?;
        let mut wire = Self {
            connection: connection.clone(),
            send,
            receive,
            link: HubLink::new(),
            outgoing: BytesMut::new(),
        };
        loop {
            let chunk = wire.receive.read_chunk(READ_BYTES, true).await?.ok_or(Ended::Silent)?;
            if let Some(HubEvent::Hello(hello)) = wire.link.receive(&chunk.bytes)?.into_iter().next() {
                return Ok((wire, hello));
            }
        }
    }

    /// Tells the node why it is not let in, and waits until it has heard it.
    pub(super) async fn part<T>(&mut self, refusal: Refusal) -> Result<T, Ended> {
        self.link.refuse(refusal);
        self.flush_and_wait().await;
        Err(Ended::Refused)
    }

    /// Sends what there is and waits until the node closes its side, or for a while.
    pub(super) async fn flush_and_wait(&mut self) {
        self.collect();
        let parting = async {
            self.send.write_all(&self.outgoing).await?;
            let _ = self.send.finish();
            self.connection.closed().await;
            Ok::<_, quinn::WriteError>(())
        };
        let _ = tokio::time::timeout(PARTING_TIME, parting).await;
    }

    pub(super) fn collect(&mut self) {
        let bytes = self.link.transmit();
        self.outgoing.extend_from_slice(&bytes);
    }
}
