//! The listener.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::connections::serve;
use super::host::Names;
use super::routes::routes;
use super::tls::{Tls, TlsListener};

/// The running API.
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// Why the API does not start.
#[derive(Debug, thiserror::Error)]
#[error("address {address} is already in use or cannot be bound; choose another one with API.Port")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

impl Server {
    /// Listens and serves; TLS only, where there is a certificate.
    pub async fn start(address: SocketAddr, tls: Option<Tls>, parts: Parts) -> Result<Self, ListenError> {
        let refused = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let stop = CancellationToken::new();
        let routes = routes(parts, Names::of(address, tls.is_some()));
        let serving = match tls {
            None => tokio::spawn(serve(listener, routes, stop.clone())),
            Some(tls) => {
                let listener = TlsListener::new(listener, tls).map_err(refused)?;
                tokio::spawn(serve(listener, routes, stop.clone()))
            }
        };
        Ok(Self { address, stop, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking requests and ends.
    pub async fn shutdown(self) {
        self.stop.cancel();
        // Streams that are followed for ever must not hold the shutdown up.
        let abort = self.serving.abort_handle();
        if tokio::time::timeout(std::time::Duration::from_secs(2), self.serving).await.is_err() {
            abort.abort();
        }
    }
}
