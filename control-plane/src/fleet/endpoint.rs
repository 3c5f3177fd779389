//! The QUIC listener.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::wire::ALPN;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{AsyncUdpSocket, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use ring::{hkdf, hmac};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error as TlsError, SignatureScheme};
use socket2::SockRef;

use super::authority::Authority;
use super::recall::Ids;

/// A node that is not heard for this long is gone. Its keep-alive comes every 22 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Streams that a node may have open at a time: control, uploads, blobs.
const NODE_STREAMS: u32 = 32;
/// Bytes in flight to us on one stream; results of a node fill it, control messages never do.
const STREAM_WINDOW: u32 = 512 * 1024;
/// Bytes in flight to us on one connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes kept for one connection until they are acknowledged.
const SEND_WINDOW: u64 = 1024 * 1024;
/// Room for datagrams that nobody has read yet, of which the system gives as much as it allows (`net.core.rmem_max`). A fleet
/// answers an ops job at once, and what finds no room comes again a quarter of a second later.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// With more connections than this, an unproven address must answer a retry first.
pub(super) const RETRY_ABOVE: usize = 2_000;
/// Between two stateless resets: a fleet that a restart left with dead connections hears it within seconds.
const MIN_RESET_INTERVAL: Duration = Duration::from_micros(200);

/// Why the listener does not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address.
    #[error(
        "listening on {address}/udp; is another control plane running? Orchestrator.Port chooses another port"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The certificates.
    #[error("setting up TLS")]
    Tls(#[from] TlsError),
    /// The cipher suites.
    #[error("setting up QUIC")]
    Quic(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// Opens the listener. All keys derive from the authority's files, so nodes notice a restart at once and come back.
pub(super) fn listen(
    address: SocketAddr,
    authority: &Authority,
) -> Result<(quinn::Endpoint, Arc<dyn AsyncUdpSocket>), ListenError> {
    let bind = |source| ListenError::Bind { address, source };
    let runtime = quinn::default_runtime().expect("the control plane runs on tokio");
    let server = server_config(authority)?;
    let socket = bound(address).and_then(|socket| runtime.wrap_udp_socket(socket)).map_err(bind)?;
    let config = endpoint_config(authority);
    let endpoint =
        quinn::Endpoint::new_with_abstract_socket(config, Some(server), Arc::clone(&socket), runtime);
    Ok((endpoint.map_err(bind)?, socket))
}

fn bound(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    if let Err(error) = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the listener keeps the system's receive buffer");
    }
    Ok(socket)
}

/// From which the tokens of stateless resets are made.
pub(super) fn reset_key(authority: &Authority) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &derived(authority, b"stateless reset"))
}

fn endpoint_config(authority: &Authority) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(reset_key(authority)));
    let ids = u64::from_be_bytes(first_eight(&derived(authority, b"connection ids")));
    config.cid_generator(move || Box::new(Ids::from_key(ids)));
    config.min_reset_interval(MIN_RESET_INTERVAL);
    config
}

fn server_config(authority: &Authority) -> Result<quinn::ServerConfig, ListenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(AnyKey { algorithms: provider.signature_verification_algorithms });
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(authority.chain(), authority.private_key())?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // Nodes never resume a session.
    tls.send_tls13_tickets = 0;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let tokens = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&derived(authority, b"address tokens"));
    config.token_key(Arc::new(tokens));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(
            u32::try_from(IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX),
        ))))
        .max_concurrent_bidi_streams(NODE_STREAMS.into())
        .max_concurrent_uni_streams(0u32.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None);
    transport
}

fn derived(authority: &Authority, purpose: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &authority.transport_seed);
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(&key, purpose).as_ref());
    out
}

fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    out
}

/// Lets every client certificate through whose key the client holds. Who may join is decided above TLS, on every
/// connection, by the key's fingerprint.
#[derive(Debug)]
struct AnyKey {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        webpki::EndEntityCert::try_from(certificate)
            .map_err(|_| TlsError::InvalidCertificate(rustls::CertificateError::BadEncoding))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::General("QUIC needs TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
