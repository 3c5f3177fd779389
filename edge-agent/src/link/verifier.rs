//! Whether the peer is the control plane: a chain that ends at a pinned authority, for the control plane's name, valid
//! as far as the time is known.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bacalhau_protocol::time::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, OtherError, SignatureScheme};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::authority::{Authorities, Fingerprint};
use crate::clock::Clock;
use crate::config::fingerprint_text;
use crate::fleet_time::{Reading, Trust};

/// Why the peer is not taken for the control plane.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Rejection {
    #[error(
        "the control plane's certificate comes from the authority {shown}, which this node does not trust; \
         check the address, and join again if the control plane was set up anew"
    )]
    UnknownAuthority { shown: String },
    #[error("the control plane's certificate is not valid before {from}, and it is {now}")]
    NotYet { from: Timestamp, now: Timestamp },
    #[error(
        "the control plane's certificate expired on {until}, and it is {now}; restart the control plane to renew it"
    )]
    Expired { until: Timestamp, now: Timestamp },
    #[error("the control plane's certificate is not for {name}")]
    Name { name: String },
    #[error("the control plane's certificate is not what its authority signs: {0}")]
    Chain(webpki::Error),
}

/// Asks the pinned authorities and the fleet's time on every handshake.
#[derive(Debug)]
pub(super) struct Verifier {
    authorities: Arc<Authorities>,
    clock: Clock,
    algorithms: WebPkiSupportedAlgorithms,
    /// Why the last peer was not taken for the control plane, until somebody asks.
    rejection: Mutex<Option<Rejection>>,
}

impl Verifier {
    pub(super) fn new(
        authorities: Arc<Authorities>,
        clock: Clock,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self { authorities, clock, algorithms, rejection: Mutex::default() }
    }

    /// Why the last handshake failed, if it did so here.
    pub(super) fn take_rejection(&self) -> Option<Rejection> {
        self.rejection.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The trusted authority among the certificates that a peer showed.
pub(super) fn authority_of(chain: &[CertificateDer<'_>], trusted: &[Fingerprint]) -> Option<Fingerprint> {
    chain.iter().map(fingerprint).find(|shown| trusted.contains(shown))
}

/// Checks a chain, the peer's own certificate first. Dates are judged as far as the time is known: a certificate has
/// expired if the time is at least as late, and is not valid yet only if the time is exact.
fn check(
    chain: &[CertificateDer<'_>],
    trusted: &[Fingerprint],
    name: &ServerName<'_>,
    now: Reading,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Rejection> {
    let Some((anchor, (end_entity, between))) =
        chain.iter().find(|shown| trusted.contains(&fingerprint(shown))).zip(chain.split_first())
    else {
        let shown = chain.last().map(fingerprint).unwrap_or_default();
        return Err(Rejection::UnknownAuthority { shown: fingerprint_text(&shown) });
    };
    let certificate = EndEntityCert::try_from(end_entity).map_err(Rejection::Chain)?;
    let anchors = [anchor_from_trusted_cert(anchor).map_err(Rejection::Chain)?];
    let valid_at = |time| {
        let usage = KeyUsage::server_auth();
        certificate.verify_for_usage(algorithms.all, &anchors, between, time, usage, None, None).map(|_| ())
    };
    match valid_at(unix(now.time)) {
        Err(webpki::Error::CertExpired { not_after, .. }) if now.trust == Trust::None => valid_at(not_after),
        Err(webpki::Error::CertNotValidYet { not_before, .. }) if now.trust < Trust::Known => {
            valid_at(not_before)
        }
        other => other,
    }
    .map_err(|error| explain(error, now.time))?;
    certificate
        .verify_is_valid_for_subject_name(name)
        .map_err(|_| Rejection::Name { name: name.to_str().into_owned() })
}

fn explain(error: webpki::Error, now: Timestamp) -> Rejection {
    match error {
        webpki::Error::CertExpired { not_after, .. } => {
            Rejection::Expired { until: timestamp(not_after), now }
        }
        webpki::Error::CertNotValidYet { not_before, .. } => {
            Rejection::NotYet { from: timestamp(not_before), now }
        }
        other => Rejection::Chain(other),
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Sha256::digest(certificate).into()
}

fn unix(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(time.since(Timestamp::ZERO))
}

fn timestamp(time: UnixTime) -> Timestamp {
    Timestamp::ZERO.after(Duration::from_secs(time.as_secs()))
}

impl ServerCertVerifier for Verifier {
    /// The device's own date, `_now`, is not asked.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        let (trusted, now) = (self.authorities.trusted(), self.clock.read());
        check(&chain, &trusted, server_name, now, &self.algorithms)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|rejection| {
                let kept = rejection.clone();
                *self.rejection.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
                rustls::Error::Other(OtherError(Arc::new(rejection)))
            })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC has no TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
