//! A plain client, for requests that the project's own client would not make.

use std::sync::Arc;

use rustls::crypto::ring;

/// A client that trusts nobody, so it is for `http` addresses. It is told its cryptography, since no provider is installed
/// for the whole process.
pub fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .build()
        .expect("a client of these settings")
}
