//! Who is taken for the control plane.

use bacalhau_protocol::time::Timestamp;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use super::super::quic::{DialError, Dialer};
use super::super::test_hub::Credentials;
use super::*;
use crate::fleet_time::BUILT;

/// Middle of 2027.
const NOW: Timestamp = Timestamp(BUILT.0 + 240 * 86_400 * 1_000_000_000);

/// Dials a control plane with these credentials. Gives the authority it was trusted for, or what is wrong.
async fn dial(credentials: Credentials, trusted: &Authority, clock: Clock) -> Result<[u8; 32], String> {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::load(directory.path(), &Name::Uuid).unwrap();
    let join = JoinToken { authority: trusted.fingerprint(), secret: "s".to_owned() };
    let authorities = Arc::new(Authorities::load(directory.path(), Some(&join)).unwrap());
    let dialer = Dialer::new(&identity, authorities, clock).unwrap();
    let mut hub = Hub::start(credentials);
    let connection = dialer.dial(hub.address()).await.map_err(rejection)?;
    let chain =
        hub.accept().await.peer_identity().unwrap().downcast::<Vec<CertificateDer<'static>>>().unwrap();
    let shown = webpki::EndEntityCert::try_from(&chain[0]).unwrap();
    assert_eq!(identity.fingerprint(), <[u8; 32]>::from(Sha256::digest(shown.subject_public_key_info())));
    Ok(connection.authority)
}

fn rejection(error: DialError) -> String {
    match error {
        DialError::Untrusted(rejection) => rejection.to_string(),
        other => panic!("expected a rejection, found {other:?}"),
    }
}

fn new_device() -> Clock {
    Clock::new(None)
}

fn after_restart() -> Clock {
    Clock::new(Some(NOW))
}

fn told_the_time() -> Clock {
    let clock = Clock::new(None);
    clock.correct(NOW);
    clock
}

#[tokio::test]
async fn the_pinned_authority_is_enough_and_the_node_shows_its_key() {
    let authority = Authority::new();
    for clock in [new_device(), after_restart(), told_the_time()] {
        let trusted = dial(authority.credentials(2020, 2040), &authority, clock).await;
        assert_eq!(trusted, Ok(authority.fingerprint()));
    }
}

#[tokio::test]
async fn another_authority_is_refused() {
    let error =
        dial(Authority::new().credentials(2020, 2040), &Authority::new(), new_device()).await.unwrap_err();
    assert!(error.contains("which this node does not trust"), "{error}");
}

#[tokio::test]
async fn showing_the_pinned_certificate_without_being_signed_by_it_is_refused() {
    let (pinned, other) = (Authority::new(), Authority::new());
    let mut credentials = other.credentials(2020, 2040);
    credentials.chain[1] = pinned.credentials(2020, 2040).chain[1].clone();
    let error = dial(credentials, &pinned, new_device()).await.unwrap_err();
    assert!(error.contains("is not what its authority signs"), "{error}");
}

#[tokio::test]
async fn another_name_is_refused() {
    let authority = Authority::new();
    let credentials = authority.credentials_for("somebody.else.internal", 2020, 2040);
    let error = dial(credentials, &authority, new_device()).await.unwrap_err();
    assert!(error.contains("is not for control-plane.bacalhau.internal"), "{error}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_as_soon_as_any_time_is_known() {
    let authority = Authority::new();
    assert!(dial(authority.credentials(2000, 2010), &authority, new_device()).await.is_ok());
    for clock in [after_restart(), told_the_time()] {
        let error = dial(authority.credentials(2000, 2010), &authority, clock).await.unwrap_err();
        assert!(error.contains("expired on 2010-01-01T00:00:00Z"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_of_the_future_is_refused_only_when_the_time_is_exact() {
    let authority = Authority::new();
    for clock in [new_device(), after_restart()] {
        assert!(dial(authority.credentials(2090, 2099), &authority, clock).await.is_ok());
    }
    let error = dial(authority.credentials(2090, 2099), &authority, told_the_time()).await.unwrap_err();
    assert!(error.contains("is not valid before 2090-01-01T00:00:00Z"), "{error}");
}

#[tokio::test]
async fn a_wrong_signature_is_refused_even_without_any_time() {
    let (pinned, other) = (Authority::new(), Authority::new());
    let mut credentials = other.credentials(2090, 2099);
    credentials.chain[1] = pinned.credentials(2020, 2040).chain[1].clone();
    let error = dial(credentials, &pinned, new_device()).await.unwrap_err();
    assert!(error.contains("is not what its authority signs"), "{error}");
}
