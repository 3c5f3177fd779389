//! The certificate of the API: read from files, or made once and kept.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bacalhau_control_plane::api::tls::{SelfSigned, Tls, own_names};

use super::announce::outward_address;
use super::name;
use crate::config::serve::ApiTls;

/// How clients talk to the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// In the clear.
    Http,
    /// Under a certificate that others vouch for.
    Https,
    /// Under a certificate of its own, in this file.
    HttpsTrusting(PathBuf),
}

/// What the API shows, and what clients make of it.
pub(super) fn certificate(
    wanted: &ApiTls,
    listen: IpAddr,
    directory: &Path,
) -> anyhow::Result<(Option<Tls>, Scheme)> {
    match wanted {
        ApiTls::Off => Ok((None, Scheme::Http)),
        ApiTls::Files { certificate, key } => {
            let tls = load(certificate, key)?;
            Ok((Some(tls), Scheme::Https))
        }
        ApiTls::SelfSigned => {
            let (certificate, key) = kept(listen, directory)?;
            Ok((Some(load(&certificate, &key)?), Scheme::HttpsTrusting(certificate)))
        }
    }
}

fn load(certificate: &Path, key: &Path) -> anyhow::Result<Tls> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let both = || format!("API.TLS: {} with {}", certificate.display(), key.display());
    Tls::from_pem(&read(certificate)?, &read(key)?).with_context(both)
}

/// A certificate is made once and kept as long as it names this machine, so that clients go on trusting it after a
/// restart.
fn kept(listen: IpAddr, directory: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (directory.join("api.crt"), directory.join("api.key"));
    let names = own_names(listen, name::of_host().ok().as_deref(), Some(outward_address()));
    let heading = format!("# Certificate of the API for {}\n", names.join(", "));
    if fs::read_to_string(&certificate).is_ok_and(|text| text.starts_with(&heading)) && key.is_file() {
        return Ok((certificate, key));
    }
    let made = SelfSigned::new(&names)?;
    write_secret(&key, made.key.as_bytes()).with_context(|| format!("writing {}", key.display()))?;
    fs::write(&certificate, format!("{heading}{}", made.certificate))
        .with_context(|| format!("writing {}", certificate.display()))?;
    Ok((certificate, key))
}

fn write_secret(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_kept_while_it_names_the_machine() {
        let directory = tempfile::tempdir().unwrap();
        let make = |listen: [u8; 4]| {
            let (tls, scheme) = certificate(&ApiTls::SelfSigned, listen.into(), directory.path()).unwrap();
            assert!(tls.is_some());
            let Scheme::HttpsTrusting(file) = scheme else { panic!("no file") };
            fs::read_to_string(file).unwrap()
        };
        let first = make([127, 0, 0, 1]);
        assert_eq!(make([127, 0, 0, 1]), first);
        assert_ne!(make([192, 0, 2, 7]), first);
    }

    #[test]
    fn files_that_do_not_serve_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.pem");
        fs::write(&file, "x").unwrap();
        let files = ApiTls::Files { certificate: file.clone(), key: file };
        let error = certificate(&files, [127, 0, 0, 1].into(), directory.path()).unwrap_err();
        assert!(format!("{error:#}").contains("x.pem with"), "{error:#}");
    }
}
