//! The agent's line to the control plane: QUIC around `bacalhau_protocol::link`.
//!
//! The agent dials out; nothing listens on the device. One connection at a time, its first stream is the control
//! stream; whatever is bulky (blobs, artifacts, results, logs) travels on streams of its own. Only [`quic`] and
//! [`socket`] name the transport.
//!
//! The node's actor owns the conversation. It gets [`LinkEvent`]s, puts the bytes of `NodeLink` into [`Outgoing`] and
//! tells it how the conversation ends. Everybody else asks the control plane for things through [`Client`].

mod artifact;
mod authority;
mod backoff;
mod client;
mod connector;
mod message;
mod outgoing;
mod partial;
mod quic;
mod serve;
mod session;
mod socket;
mod verifier;

#[cfg(test)]
pub(crate) mod test_hub;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Orchestrator;
use crate::identity::Identity;

pub use authority::{AUTHORITY_FILE, Authorities, Error as AuthorityError};
pub use client::{Artifact, Client, Error as RequestError};
#[cfg(test)]
pub(crate) use outgoing::{Command, Commands};
pub use outgoing::{End, Outgoing};
pub use serve::{Archive, DeviceFiles, Unserved};

/// Events that wait for the actor; when they are this many, the control plane has to wait.
const EVENTS: usize = 16;

/// What the node's actor hears, connection by connection: `Connected`, any number of `Bytes`, `Disconnected`.
#[derive(Debug)]
pub enum LinkEvent {
    /// The control stream is open: begin the conversation.
    Connected(Outgoing),
    /// Bytes of the control stream, cut anywhere.
    Bytes(Bytes),
    /// The connection is gone. Drop its [`Outgoing`]: the next connection is not begun before.
    Disconnected,
}

/// The connect loop, not yet running.
pub struct Link {
    dialer: quic::Dialer,
    authorities: Arc<Authorities>,
    orchestrators: Vec<Orchestrator>,
    clock: Clock,
    events: mpsc::Sender<LinkEvent>,
    current: watch::Sender<Option<quic::Connection>>,
}

/// The ends of a [`Link`] that others hold.
pub struct Ends {
    /// For the node's actor.
    pub events: mpsc::Receiver<LinkEvent>,
    /// For everybody who needs something of the control plane.
    pub client: Client,
}

impl Link {
    /// Prepares a link; nothing is sent before [`run`](Self::run). Without `orchestrators` those joined last are tried.
    pub fn new(
        identity: &Identity,
        authorities: Authorities,
        orchestrators: Vec<Orchestrator>,
        clock: Clock,
    ) -> Result<(Self, Ends), rustls::Error> {
        let orchestrators =
            if orchestrators.is_empty() { authorities.orchestrators() } else { orchestrators };
        let authorities = Arc::new(authorities);
        let dialer = quic::Dialer::new(identity, Arc::clone(&authorities), clock.clone())?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let (current, connection) = watch::channel(None);
        let link = Self { dialer, authorities, orchestrators, clock, events, current };
        Ok((link, Ends { events: receiver, client: Client::new(connection) }))
    }

    /// Connects, again and again, until the actor says goodbye, goes away, or `stop` is cancelled. `files` is what the
    /// control plane may read from this device.
    pub async fn run(self, files: Arc<dyn DeviceFiles>, stop: CancellationToken) {
        connector::run(self, files, stop).await;
    }
}
