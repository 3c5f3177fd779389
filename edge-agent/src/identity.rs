//! Who this node is: its key, its certificate and its name.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bacalhau_protocol::ids::{InvalidId, NodeId};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use crate::config::Name;
use crate::{durable, entropy};

/// The file that holds the key, PKCS#8 in PEM.
pub const KEY_FILE: &str = "identity.key";
/// The file that holds the node's name.
pub const NAME_FILE: &str = "node.id";

/// A node's identity. The key never leaves the device.
pub struct Identity {
    node_id: NodeId,
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

/// Why a node has no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key file holds something else.
    #[error(
        "{} holds no usable Ed25519 key; restore it from a backup, or delete it to give this node a new key, \
         which an administrator then admits with `bacalhau node approve --replace-key`", path.display()
    )]
    DamagedKey {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: rcgen::Error,
    },
    /// The name file holds something else.
    #[error("{} holds no node name; write the node's name into it, or delete it to join as a new node", path.display())]
    DamagedName {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidId,
    },
    /// The host has no name that could be a node's.
    #[error("the host name {name:?} cannot be a node's name; choose one with --name")]
    Hostname {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: InvalidId,
    },
    /// The key cannot be made or used.
    #[error("cannot make a key or certificate")]
    Crypto(#[source] rcgen::Error),
}

impl Identity {
    /// Loads the identity kept in a data directory; makes what is missing and keeps it. A kept name wins over `name`.
    pub fn load(data_dir: &Path, name: &Name) -> Result<Self, Error> {
        let node_id = load_name(&data_dir.join(NAME_FILE), name)?;
        let key = load_key(&data_dir.join(KEY_FILE))?;
        let certificate = self_signed(&key, &node_id).map_err(Error::Crypto)?;
        Ok(Self { node_id, key, certificate })
    }

    /// The node's name.
    pub fn node_id(&self) -> &NodeId {
        &self.node_id
    }

    /// What an administrator compares before approving: SHA-256 of the public key (DER SubjectPublicKeyInfo).
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.key.subject_public_key_info()).into()
    }

    /// What the node shows in the TLS handshake.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// What the node proves itself with in the TLS handshake.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

fn load_name(path: &Path, name: &Name) -> Result<NodeId, Error> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let kept = NodeId::parse(text.trim())
                .map_err(|source| Error::DamagedName { path: path.to_owned(), source })?;
            if let Name::Chosen(chosen) = name
                && *chosen != kept
            {
                tracing::warn!(node = %kept, ignored = %chosen, "node keeps the name of its first start");
            }
            Ok(kept)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh = make_name(name)?;
            keep(path, format!("{fresh}\n").as_bytes())?;
            Ok(fresh)
        }
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

fn make_name(name: &Name) -> Result<NodeId, Error> {
    let random = || NodeId::from_random(entropy::bytes());
    match name {
        Name::Chosen(chosen) => Ok(chosen.clone()),
        Name::PrefixedUuid => Ok(random()),
        Name::Uuid => Ok(NodeId::parse(random().as_str().trim_start_matches(NodeId::PREFIX))
            .expect("a UUID is a node name")),
        Name::Hostname => {
            let name = sysinfo::System::host_name().unwrap_or_default();
            NodeId::parse(&name.replace('.', "-")).map_err(|source| Error::Hostname { name, source })
        }
    }
}

fn load_key(path: &Path) -> Result<KeyPair, Error> {
    match fs::read_to_string(path) {
        Ok(pem) => {
            warn_if_readable_by_others(path);
            KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_ED25519)
                .map_err(|source| Error::DamagedKey { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate_for(&PKCS_ED25519).map_err(Error::Crypto)?;
            keep(path, key.serialize_pem().as_bytes())?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::DamagedKey { path: path.to_owned(), source: rcgen::Error::CouldNotParseKeyPair })
        }
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

fn warn_if_readable_by_others(path: &Path) {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode()).unwrap_or(0);
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "key file is open to other users; run chmod 600 on it");
    }
}

fn keep(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    durable::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The control plane looks at the key only, so the certificate is made anew at each start and its dates mean nothing.
fn self_signed(key: &KeyPair, node_id: &NodeId) -> Result<CertificateDer<'static>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, node_id.as_str());
    Ok(params.self_signed(key)?.der().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(directory: &tempfile::TempDir) -> Result<Identity, Error> {
        Identity::load(directory.path(), &Name::PrefixedUuid)
    }

    #[test]
    fn an_identity_outlives_its_process_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = load(&directory).unwrap();
        let second = load(&directory).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert_eq!(first.node_id(), second.node_id());
        assert!(first.node_id().as_str().starts_with("n-"));
        for file in [KEY_FILE, NAME_FILE] {
            let mode = fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_the_certificates_key() {
        let identity = load(&tempfile::tempdir().unwrap()).unwrap();
        let der = identity.certificate();
        let certificate = webpki::EndEntityCert::try_from(&der).unwrap();
        let key = certificate.subject_public_key_info();
        assert_eq!(identity.fingerprint(), <[u8; 32]>::from(Sha256::digest(key)));
    }

    #[test]
    fn a_damaged_key_is_never_replaced_silently() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEY_FILE);
        for damage in [b"".as_slice(), b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"\xff\xfe"] {
            fs::write(&path, damage).unwrap();
            let error = load(&directory).err().unwrap();
            assert!(matches!(error, Error::DamagedKey { .. }), "{error:?}");
            assert!(error.to_string().contains("--replace-key"));
            assert_eq!(fs::read(&path).unwrap(), damage);
        }
    }

    #[test]
    fn a_kept_name_wins_and_a_damaged_one_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let named =
            |name: &str| Identity::load(directory.path(), &Name::Chosen(NodeId::parse(name).unwrap()));
        assert_eq!(named("gateway-1").unwrap().node_id().as_str(), "gateway-1");
        assert_eq!(named("gateway-2").unwrap().node_id().as_str(), "gateway-1");
        fs::write(directory.path().join(NAME_FILE), "two words").unwrap();
        assert!(matches!(named("gateway-1").err().unwrap(), Error::DamagedName { .. }));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let error = Identity::load(Path::new("/proc"), &Name::Uuid).err().unwrap();
        assert!(error.to_string().contains("/proc/node.id"), "{error}");
    }
}
