//! The control plane's end of real QUIC connections on the loopback, for tests.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bacalhau_protocol::link::{HubEvent, HubLink};
use bacalhau_protocol::model::Membership;
use bacalhau_protocol::wire::{ALPN, Hello, Refusal, SERVER_NAME, Welcome, Wish};
use quinn::crypto::rustls::QuicServerConfig;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::fleet_time::BUILT;

/// An authority and what it signs.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A server certificate with its key.
pub(crate) struct Credentials {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.certificate.der()).into()
    }

    /// A certificate for the control plane's name that is valid in these years.
    pub(crate) fn credentials(&self, from: i32, until: i32) -> Credentials {
        self.credentials_for(SERVER_NAME, from, until)
    }

    pub(crate) fn credentials_for(&self, name: &str, from: i32, until: i32) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Credentials {
            chain: vec![certificate.der().clone(), self.certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }
}

/// Accepts connections.
pub(crate) struct Hub {
    address: SocketAddr,
    accepted: mpsc::Receiver<quinn::Connection>,
}

impl Hub {
    pub(crate) fn start(credentials: Credentials) -> Self {
        let mut tls =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_client_cert_verifier(Arc::new(AnyClient))
                .with_single_cert(credentials.chain, credentials.key)
                .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let crypto = QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (sender, accepted) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                if let Ok(connection) = incoming.await
                    && sender.send(connection).await.is_err()
                {
                    return;
                }
            }
        });
        Self { address, accepted }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection that got through its handshake.
    pub(crate) async fn accept(&mut self) -> quinn::Connection {
        self.accepted.recv().await.unwrap()
    }
}

/// The key that signs artifacts, as a welcome tells it.
pub(crate) const ARTIFACT_KEY: [u8; 32] = [5; 32];

/// The control plane's end of one conversation.
pub(crate) struct Conversation {
    link: HubLink,
    _connection: quinn::Connection,
    writing: quinn::SendStream,
    reading: quinn::RecvStream,
    events: VecDeque<HubEvent>,
}

impl Conversation {
    /// Takes the next connection and hears its first message.
    pub(crate) async fn open(hub: &mut Hub) -> (Self, Hello) {
        let connection = hub.accept().await;
        let (writing, reading) = connection.accept_bi().await.unwrap();
        let mut conversation = Self {
            link: HubLink::new(),
            _connection: connection,
            writing,
            reading,
            events: Default::default(),
        };
        match conversation.hear().await {
            Some(HubEvent::Hello(hello)) => (conversation, *hello),
            other => panic!("expected a hello, got {other:?}"),
        }
    }

    pub(crate) async fn welcome(&mut self) {
        self.link.welcome(Welcome {
            version: 1,
            membership: Membership::Approved,
            now: BUILT,
            sequence_floor: 0,
            artifact_key: ARTIFACT_KEY,
        });
        self.say().await;
    }

    pub(crate) async fn refuse(&mut self, refusal: Refusal) {
        self.link.refuse(refusal);
        self.say().await;
    }

    pub(crate) async fn want(&mut self, wish: Wish) {
        self.link.want(wish);
        self.say().await;
    }

    async fn say(&mut self) {
        self.writing.write_all(&self.link.transmit()).await.unwrap();
    }

    /// The next event; none at the end of the stream. What is given out changes with the disk and is passed over.
    pub(crate) async fn hear(&mut self) -> Option<HubEvent> {
        while self.events.is_empty() {
            let chunk = self.reading.read_chunk(usize::MAX, true).await.unwrap()?;
            let heard = self.link.receive(&chunk.bytes).unwrap();
            self.events.extend(heard.into_iter().filter(|event| !matches!(event, HubEvent::Usage(_))));
        }
        self.events.pop_front()
    }
}

/// Takes every certificate, but it must be there and its key must be held.
#[derive(Debug)]
struct AnyClient;

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("QUIC has no TLS 1.2")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
