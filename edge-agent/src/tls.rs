//! TLS towards everybody but the control plane: by the usual authorities, but by the fleet's time, because this device's
//! own date may be any.

use std::sync::Arc;

use bacalhau_protocol::time::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

use crate::clock::Clock;

/// For connections to who has a certificate of one of `roots`.
pub(crate) fn client(clock: &Clock, roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(clock.clone()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.now().since(Timestamp::ZERO)))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{CertificateError, Error};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::fleet_time::BUILT;

    /// 2095-01-01.
    const LATE: Timestamp = Timestamp(3_944_678_400_000_000_000);

    #[tokio::test]
    async fn certificates_are_judged_by_the_fleets_time() {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2090, 1, 1);
        parameters.not_after = date_time_ymd(2099, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let server = TlsAcceptor::from(Arc::new(server));
        let clock = Clock::new(None);
        for (now, expected) in [(LATE, true), (BUILT, false)] {
            clock.correct(now);
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            let client = TlsConnector::from(Arc::new(client(&clock, roots).unwrap()));
            let (near, far) = tokio::io::duplex(1 << 14);
            let name = ServerName::try_from("localhost").unwrap();
            let (connected, _) = tokio::join!(client.connect(name, near), server.accept(far));
            match connected {
                Ok(_) => assert!(expected, "a certificate of another time was taken"),
                Err(error) => {
                    let reason = error.get_ref().and_then(|error| error.downcast_ref());
                    let is_early = |reason: &CertificateError| {
                        matches!(reason, CertificateError::NotValidYetContext { .. })
                    };
                    let is_early =
                        matches!(reason, Some(Error::InvalidCertificate(reason)) if is_early(reason));
                    assert!(is_early && !expected, "{error}");
                }
            }
        }
    }
}
