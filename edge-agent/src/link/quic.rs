//! The transport: QUIC by quinn. A connection opens, accepts and closes bidirectional byte streams with flow control;
//! nothing outside this module knows more about it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::wire::{ALPN, SERVER_NAME, close};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ApplicationClose, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;

use super::authority::{Authorities, Fingerprint};
use super::backoff::Ended;
use super::socket;
use super::verifier::{Rejection, Verifier, authority_of};
use crate::clock::Clock;
use crate::identity::Identity;

/// Keeps the connection and the mappings of address translators alive; only the agent sends it.
const KEEP_ALIVE: Duration = Duration::from_secs(22);
/// Silence after which the connection is given up: two keep-alives may be lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests the control plane may have open at a time: logs and results.
const PEER_STREAMS: u32 = 16;
/// Received bytes of one stream that are not read yet: 1.3 MB/s over a line of 200 ms.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// Received bytes of all streams that are not read yet.
const CONNECTION_WINDOW_BYTES: u32 = 512 * 1024;
/// Sent bytes that are not acknowledged yet.
const SEND_WINDOW_BYTES: u64 = 256 * 1024;
/// Above that of all other streams, which is 0.
const CONTROL_PRIORITY: i32 = 1;
/// How long a closed connection is kept to tell the other side again that it is closed.
const DRAIN: Duration = Duration::from_millis(500);

pub(super) use quinn::ConnectionError;

/// Reading half of a stream.
pub(super) type Reading = quinn::RecvStream;
/// Writing half of a stream.
pub(super) type Writing = quinn::SendStream;

/// Makes connections.
pub(super) struct Dialer {
    config: quinn::ClientConfig,
    verifier: Arc<Verifier>,
    authorities: Arc<Authorities>,
}

/// An open connection. Clones are the same connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    quic: quinn::Connection,
    endpoint: Endpoint,
    /// The pinned authority that vouched for the peer.
    pub(super) authority: Fingerprint,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("cannot open a UDP socket")]
    Socket(#[source] io::Error),
    #[error("cannot dial this address")]
    Address(#[from] quinn::ConnectError),
    #[error(transparent)]
    Untrusted(Rejection),
    #[error("the handshake failed")]
    Handshake(#[from] ConnectionError),
    #[error("no answer within {} s; is UDP blocked on the way?", HANDSHAKE_TIMEOUT.as_secs())]
    Silence,
}

impl Dialer {
    /// Sessions are not resumed: a full handshake costs little, and always shows the node's certificate and checks the
    /// pinned authority.
    pub(super) fn new(
        identity: &Identity,
        authorities: Arc<Authorities>,
        clock: Clock,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let verifier = Arc::new(Verifier::new(Arc::clone(&authorities), clock.clone(), algorithms));
        let mut tls = rustls::ClientConfig::builder_with_details(provider, Arc::new(clock))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Verifier>::clone(&verifier))
            .with_client_auth_cert(vec![identity.certificate()], identity.private_key())?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = Resumption::disabled();
        let crypto = QuicClientConfig::try_from(tls)
            .map_err(|_| rustls::Error::General("TLS 1.3 has no cipher suite for QUIC".to_owned()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        Ok(Self { config, verifier, authorities })
    }

    /// Connects, one at a time, through a socket of its own, so every attempt starts from the addresses the device has now. Later
    /// changes of address are followed by the connection itself.
    pub(super) async fn dial(&self, address: SocketAddr) -> Result<Connection, DialError> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let runtime = Arc::new(TokioRuntime);
        let endpoint = socket::open(any)
            .and_then(|socket| {
                Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, runtime)
            })
            .map_err(DialError::Socket)?;
        let connecting = endpoint.connect_with(self.config.clone(), address, SERVER_NAME)?;
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await;
        // The transport tells only that the handshake failed.
        let rejection = self.verifier.take_rejection();
        let quic = match (shaken, rejection) {
            (Ok(Ok(quic)), _) => quic,
            (_, Some(rejection)) => return Err(DialError::Untrusted(rejection)),
            (Ok(Err(error)), None) => return Err(error.into()),
            (Err(_), None) => return Err(DialError::Silence),
        };
        let authority = peer_authority(&quic, &self.authorities.trusted());
        Ok(Connection { quic, endpoint, authority })
    }
}

impl Connection {
    /// Opens a stream; the other side sees it with its first bytes.
    pub(super) async fn open(&self) -> Result<(Writing, Reading), ConnectionError> {
        self.quic.open_bi().await
    }

    /// Opens the control stream, whose bytes go before those of all others.
    pub(super) async fn open_control(&self) -> Result<(Writing, Reading), ConnectionError> {
        let (writing, reading) = self.open().await?;
        writing.set_priority(CONTROL_PRIORITY).expect("a stream just opened is open");
        Ok((writing, reading))
    }

    /// Waits for a stream that the other side opens.
    pub(super) async fn accept(&self) -> Result<(Writing, Reading), ConnectionError> {
        self.quic.accept_bi().await
    }

    /// Closes at once, with one of the codes in [`close`]; what is not delivered yet is lost.
    pub(super) async fn close(&self, code: u32) {
        self.quic.close(VarInt::from_u32(code), b"");
        // The peer has its own idle timeout if the notice is lost.
        _ = tokio::time::timeout(DRAIN, self.endpoint.wait_idle()).await;
    }

    /// Why the connection ended; lost, while it has not.
    pub(super) fn ended(&self) -> Ended {
        match self.quic.close_reason() {
            Some(ConnectionError::Reset) => Ended::Restarted,
            Some(ConnectionError::ApplicationClosed(closed)) => closed_with(&closed),
            _ => Ended::Lost,
        }
    }

    /// Whether both are the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.quic.stable_id() == other.quic.stable_id()
    }
}

fn closed_with(closed: &ApplicationClose) -> Ended {
    match u32::try_from(closed.error_code.into_inner()) {
        Ok(close::NORMAL) => Ended::Restarted,
        Ok(close::REVOKED) => Ended::Unwanted,
        Ok(close::SUPERSEDED) => {
            let from = std::str::from_utf8(&closed.reason).ok().and_then(|text| text.parse().ok());
            Ended::Superseded(from)
        }
        // Also `TROUBLE`: the control plane could not go on, and may at the next try.
        _ => Ended::Lost,
    }
}

fn peer_authority(quic: &quinn::Connection, trusted: &[Fingerprint]) -> Fingerprint {
    quic.peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .and_then(|chain| authority_of(&chain, trusted))
        .expect("the handshake succeeded, so the verifier found a trusted authority in the chain")
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE_TIMEOUT.try_into().expect("a minute fits into QUIC's idle timeout")))
        .max_concurrent_bidi_streams(PEER_STREAMS.into())
        .max_concurrent_uni_streams(0_u8.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(CONNECTION_WINDOW_BYTES.into())
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None);
    transport
}
