//! The control plane's own certificate authority, its server certificate, and the other secrets of the listener. Made on
//! first start, kept in one directory that only the control plane can read.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bacalhau_protocol::join::{InvalidSecret, JoinToken, check_secret, fingerprint_text};
use bacalhau_protocol::wire::SERVER_NAME;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use crate::directory::private_directory;
use crate::entropy;

/// The secrets of the listener.
pub struct Authority {
    /// The authority's certificate; its fingerprint is what nodes pin.
    ca: CertificateDer<'static>,
    /// The server's certificate, signed by the authority.
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    join_secret: String,
    /// From which the keys for stateless resets, address tokens and connection ids are derived.
    pub(super) transport_seed: [u8; 32],
    artifact_key: ring::signature::Ed25519KeyPair,
    join_file: PathBuf,
}

/// Why the secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file.
    #[error("{action} {path}")]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error(
        "{path} is damaged; restore it from a backup, or remove the directory {directory} to make a new authority \
         (every node must then be joined again)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// All secrets.
        directory: PathBuf,
    },
    /// Making a certificate.
    #[error("making a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A configured secret that does not serve.
    #[error("the join secret has {0} characters; at least {MIN_SECRET} are needed")]
    ShortSecret(usize),
    /// A secret that no agent could be given.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
}

/// Fewest characters of a join secret that was configured.
const MIN_SECRET: usize = 16;

impl Authority {
    /// Opens the secrets in `directory`, or makes those that are not there. A configured join secret wins over the
    /// one made on first start.
    pub fn open(directory: &Path, configured_secret: Option<&str>) -> Result<Self, AuthorityError> {
        private_directory(directory).map_err(file("creating", directory))?;
        let files = Files { directory };
        let ca_key =
            files.open_or("ca.key", || Ok(KeyPair::generate_for(&rcgen::PKCS_ED25519)?.serialize_der()))?;
        let ca = files.open_or("ca.der", || self_signed(&ca_key))?;
        let key = files
            .open_or("server.key", || Ok(KeyPair::generate_for(&rcgen::PKCS_ED25519)?.serialize_der()))?;
        let certificate = files.open_or("server.der", || signed(&key, &ca, &ca_key))?;
        let seed = files.open_or("transport.seed", || Ok(entropy::bytes::<32>().to_vec()))?;
        let artifact = files.open_or("artifact.key", || Ok(entropy::bytes::<32>().to_vec()))?;
        let secret = match configured_secret {
            Some(secret) if secret.len() < MIN_SECRET => {
                return Err(AuthorityError::ShortSecret(secret.len()));
            }
            Some(secret) => secret.as_bytes().to_vec(),
            None => files
                .open_or("join.secret", || Ok(URL_SAFE_NO_PAD.encode(entropy::bytes::<32>()).into_bytes()))?,
        };
        let authority = Self {
            transport_seed: seed.try_into().map_err(|_| files.damaged("transport.seed"))?,
            artifact_key: ring::signature::Ed25519KeyPair::from_seed_unchecked(&artifact)
                .map_err(|_| files.damaged("artifact.key"))?,
            join_secret: String::from_utf8(secret)
                .map_err(|_| files.damaged("join.secret"))?
                .trim()
                .to_owned(),
            ca: CertificateDer::from(ca),
            certificate: CertificateDer::from(certificate),
            key,
            join_file: directory.join("join"),
        };
        check_secret(&authority.join_secret)?;
        authority.write_join_file().map_err(file("writing", &authority.join_file))?;
        Ok(authority)
    }

    /// Leaves a file alone that already says so: a full disk is no reason not to start.
    fn write_join_file(&self) -> std::io::Result<()> {
        let line = format!("{}\n", self.join_string());
        match std::fs::read(&self.join_file) {
            Ok(found) if found == line.as_bytes() => Ok(()),
            _ => write_durably(&self.join_file, line.as_bytes()),
        }
    }

    /// Lower-case hex of the authority's certificate: what nodes pin.
    pub fn fingerprint(&self) -> String {
        fingerprint_text(&Sha256::digest(&self.ca).into())
    }

    /// What a person gives to a new agent: the authority's fingerprint and the join secret.
    pub fn join_string(&self) -> String {
        let authority = Sha256::digest(&self.ca).into();
        JoinToken { authority, secret: self.join_secret.clone() }.text()
    }

    /// The file that holds the join string, readable by its owner only.
    pub fn join_file(&self) -> &Path {
        &self.join_file
    }

    /// Ed25519 public key of the signatures on compiled artifacts.
    pub fn artifact_public_key(&self) -> [u8; 32] {
        use ring::signature::KeyPair;
        let mut key = [0; 32];
        key.copy_from_slice(self.artifact_key.public_key().as_ref());
        key
    }

    /// Signs what a node may load as code.
    pub fn sign_artifact(&self, message: &[u8]) -> Vec<u8> {
        self.artifact_key.sign(message).as_ref().to_vec()
    }

    /// Whether a node showed the join secret, alone or in the whole join string. Takes as long for every wrong one.
    pub(super) fn is_secret(&self, shown: Option<&str>) -> bool {
        let shown = shown.unwrap_or_default();
        let own = shown.strip_prefix(&self.fingerprint()).and_then(|rest| rest.strip_prefix('.'));
        Sha256::digest(own.unwrap_or(shown)) == Sha256::digest(&self.join_secret)
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone(), self.ca.clone()]
    }

    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

struct Files<'a> {
    directory: &'a Path,
}

impl Files<'_> {
    /// The content of a file, which is made when it is not there.
    fn open_or(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Vec<u8>, AuthorityError>,
    ) -> Result<Vec<u8>, AuthorityError> {
        let path = self.directory.join(name);
        match std::fs::read(&path) {
            Ok(content) if content.is_empty() => Err(self.damaged(name)),
            Ok(content) => Ok(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let content = make()?;
                write_durably(&path, &content).map_err(file("writing", &path))?;
                Ok(content)
            }
            Err(error) => Err(file("reading", &path)(error)),
        }
    }

    fn damaged(&self, name: &str) -> AuthorityError {
        AuthorityError::Damaged { path: self.directory.join(name), directory: self.directory.to_owned() }
    }
}

fn file(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::File { action, path: path.clone(), source }
}

/// Writes a file that only its owner can read, so that after a power cut it is whole or not there.
fn write_durably(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn self_signed(key: &[u8]) -> Result<Vec<u8>, AuthorityError> {
    let mut params = params("Bacalhau fleet authority", Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    Ok(params.self_signed(&KeyPair::try_from(key)?)?.der().to_vec())
}

fn signed(key: &[u8], ca: &[u8], ca_key: &[u8]) -> Result<Vec<u8>, AuthorityError> {
    // The issuer's name and key are all that a signature needs of the authority's certificate.
    debug_assert!(!ca.is_empty());
    let mut issuer = params("Bacalhau fleet authority", Vec::new())?;
    issuer.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let mut params = params("Bacalhau control plane", vec![SERVER_NAME.to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let issuer = Issuer::new(issuer, KeyPair::try_from(ca_key)?);
    Ok(params.signed_by(&KeyPair::try_from(key)?, &issuer)?.der().to_vec())
}

/// Certificates that do not run out while a device lies in a drawer: the pinned fingerprint is what is trusted.
fn params(common_name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2125, 1, 1);
    Ok(params)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_start_finds_the_same_authority() {
        let directory = tempfile::tempdir().unwrap();
        let first = Authority::open(directory.path(), None).unwrap().join_string();
        let again = Authority::open(directory.path(), None).unwrap();
        assert_eq!(first, again.join_string());
        assert_eq!(std::fs::read_to_string(again.join_file()).unwrap().trim(), first);
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "nobody else may read the secrets");
        }
    }

    #[test]
    fn the_secret_is_compared_whole() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(directory.path(), Some("0123456789abcdef")).unwrap();
        assert!(authority.is_secret(Some("0123456789abcdef")));
        assert!(authority.is_secret(Some(&authority.join_string())));
        assert!(!authority.is_secret(Some("0123456789abcde")));
        assert!(!authority.is_secret(None));
        assert!(matches!(
            Authority::open(directory.path(), Some("short")),
            Err(AuthorityError::ShortSecret(5))
        ));
    }

    #[test]
    fn what_is_printed_is_what_agents_take() {
        let directory = tempfile::tempdir().unwrap();
        let open = |secret: &str| Authority::open(directory.path(), Some(secret));
        let authority = open("my.secret.phrase-1").unwrap();
        let token = JoinToken::parse(&authority.join_string()).unwrap();
        assert_eq!(token.secret, "my.secret.phrase-1");
        assert!(authority.is_secret(Some(&token.secret)) && authority.is_secret(Some(&token.text())));
        assert!(!authority.is_secret(Some("phrase-1")));
        let printed = std::fs::read(authority.join_file()).unwrap();
        let refused = open("two words, too long").err().unwrap();
        assert!(matches!(refused, AuthorityError::Secret(InvalidSecret::Character)), "{refused}");
        assert_eq!(std::fs::read(authority.join_file()).unwrap(), printed);
    }

    #[test]
    fn a_damaged_file_is_named_and_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        Authority::open(directory.path(), None).unwrap();
        std::fs::write(directory.path().join("transport.seed"), b"short").unwrap();
        let error = Authority::open(directory.path(), None).err().unwrap().to_string();
        assert!(error.contains("transport.seed is damaged"), "{error}");
    }
}
