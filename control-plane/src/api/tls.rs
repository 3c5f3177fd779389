//! TLS of the API: the certificate it shows, and a listener whose handshakes hold nobody else up.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::AbortOnDropHandle;

/// The certificate of the API and its key.
#[derive(Clone, Debug)]
pub struct Tls(Arc<rustls::ServerConfig>);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate is no PEM.
    #[error("the certificate is no PEM: expected -----BEGIN CERTIFICATE-----")]
    Certificate,
    /// The key is no PEM.
    #[error("the key is no PEM: expected -----BEGIN PRIVATE KEY-----")]
    Key,
    /// They do not belong together, or are of a kind nobody uses any more.
    #[error("certificate and key cannot be used together")]
    Unusable(#[from] rustls::Error),
    /// Making one.
    #[error("making a certificate")]
    Making(#[from] rcgen::Error),
}

/// A certificate signed by itself, as PEM.
pub struct SelfSigned {
    /// What clients are told to trust.
    pub certificate: String,
    /// Its key. A secret.
    pub key: String,
}

impl Tls {
    /// Reads a certificate chain, the server's own first, and its key.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl SelfSigned {
    /// Makes a certificate for these names and addresses. It does not end: devices have wrong clocks, and whoever trusts it
    /// does so by hand.
    pub fn new(names: &[String]) -> Result<Self, TlsError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = rcgen::CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(rcgen::DnType::CommonName, "Bacalhau API");
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Longest wait for a caller to finish the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at a time; more wait in the kernel.
const MAX_HANDSHAKES: usize = 256;
/// Pause when the kernel refuses a connection, for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections whose handshake is done.
pub(super) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

impl TlsListener {
    pub(super) fn new(listener: TcpListener, tls: Tls) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(1);
        let accepting = tokio::spawn(accept_forever(listener, TlsAcceptor::from(tls.0), sender));
        Ok(Self { ready, address, _accepting: AbortOnDropHandle::new(accepting) })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Only when this listener is being dropped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn accept_forever(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
        let (stream, caller) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(ready.send((stream, caller)).await),
                Ok(Err(error)) => tracing::debug!(%caller, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%caller, "a TLS handshake took too long"),
            }
            drop(permit);
        });
    }
}

/// What people call this machine when they talk to its API: for a certificate it makes itself.
pub fn own_names(listen: IpAddr, host: Option<&str>, outward: Option<IpAddr>) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(host.map(str::to_owned));
    names.extend([Some(listen), outward].into_iter().flatten().map(|ip| ip.to_string()));
    names.retain(|name| !matches!(name.as_str(), "" | "0.0.0.0" | "::"));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_made_here_can_be_used_and_others_are_refused_with_a_reason() {
        let made = SelfSigned::new(&["localhost".into(), "10.0.0.4".into()]).unwrap();
        let (certificate, key) = (made.certificate.as_bytes(), made.key.as_bytes());
        assert!(Tls::from_pem(certificate, key).is_ok());
        assert!(matches!(Tls::from_pem(b"", key), Err(TlsError::Certificate)));
        assert!(matches!(Tls::from_pem(certificate, b"x"), Err(TlsError::Key)));
        let other = SelfSigned::new(&["localhost".into()]).unwrap();
        assert!(matches!(Tls::from_pem(certificate, other.key.as_bytes()), Err(TlsError::Unusable(_))));
    }

    #[test]
    fn a_machine_is_called_by_names_that_mean_it() {
        let everywhere = IpAddr::from([0, 0, 0, 0]);
        let names = own_names(everywhere, Some("gateway"), Some(IpAddr::from([10, 0, 0, 4])));
        assert_eq!(names, ["10.0.0.4", "127.0.0.1", "::1", "gateway", "localhost"]);
    }
}
