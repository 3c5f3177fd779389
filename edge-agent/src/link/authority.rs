//! Which control planes the agent trusts: the authority named by the join string, and those pinned after a welcome.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::config::{JoinToken, Orchestrator, fingerprint_text, parse_fingerprint};
use crate::durable;

/// The file of pinned authorities and of the orchestrators joined last.
pub const AUTHORITY_FILE: &str = "authority.json";

/// Authorities pinned at a time, so that one can be replaced by the next.
const MAX_PINNED: usize = 2;

/// SHA-256 of an authority's certificate.
pub(super) type Fingerprint = [u8; 32];

/// The authorities an agent trusts.
#[derive(Debug)]
pub struct Authorities {
    path: PathBuf,
    /// From the join string: trusted in this run, pinned once it has led to a welcome.
    offered: Option<Fingerprint>,
    kept: Mutex<Kept>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    /// Newest first.
    authorities: Vec<String>,
    orchestrators: Vec<String>,
}

/// Why there is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a join string nor a pinned authority.
    #[error(
        "no control plane to trust yet: give the join string that `bacalhau serve --orchestrator` printed, \
         by the variable BACALHAU_JOIN, the setting Compute.Auth.Token or bacalhau-agent's --join-file"
    )]
    Nobody,
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is damaged; delete it and start the agent with its join string again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Authorities {
    /// Loads what is pinned in a data directory and adds the join string's authority.
    pub fn load(data_dir: &Path, join: Option<&JoinToken>) -> Result<Self, Error> {
        let path = data_dir.join(AUTHORITY_FILE);
        let kept: Kept = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| Error::Damaged { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let authorities = Self { path, offered: join.map(|join| join.authority), kept: Mutex::new(kept) };
        if authorities.trusted().is_empty() { Err(Error::Nobody) } else { Ok(authorities) }
    }

    /// Everybody trusted now.
    pub(super) fn trusted(&self) -> Vec<Fingerprint> {
        let pinned = self.kept().authorities;
        self.offered.into_iter().chain(pinned.iter().filter_map(|text| parse_fingerprint(text))).collect()
    }

    /// The orchestrators joined last, else the one on this machine.
    pub(super) fn orchestrators(&self) -> Vec<Orchestrator> {
        let kept: Vec<_> =
            self.kept().orchestrators.iter().filter_map(|text| Orchestrator::parse(text).ok()).collect();
        if kept.is_empty() { vec![Orchestrator::local()] } else { kept }
    }

    /// A control plane of this authority let the node in: pins it. Writes only when something changed.
    pub(super) fn pin(&self, authority: Fingerprint, orchestrators: &[Orchestrator]) -> io::Result<()> {
        let before = self.kept();
        let text = fingerprint_text(&authority);
        let mut after = before.clone();
        if !after.authorities.contains(&text) {
            after.authorities.insert(0, text);
            after.authorities.truncate(MAX_PINNED);
        }
        after.orchestrators = orchestrators.iter().map(ToString::to_string).collect();
        if after == before {
            return Ok(());
        }
        let json = serde_json::to_vec_pretty(&after).expect("texts are JSON");
        durable::write(&self.path, &json)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = after;
        Ok(())
    }

    fn kept(&self) -> Kept {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(byte: u8) -> JoinToken {
        JoinToken { authority: [byte; 32], secret: "s".to_owned() }
    }

    #[test]
    fn a_join_string_is_needed_until_an_authority_is_pinned() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Authorities::load(directory.path(), None), Err(Error::Nobody)));
        let first = Authorities::load(directory.path(), Some(&token(1))).unwrap();
        let here = Orchestrator { host: "::1".to_owned(), port: 9 };
        first.pin([1; 32], std::slice::from_ref(&here)).unwrap();
        let later = Authorities::load(directory.path(), None).unwrap();
        assert_eq!(later.trusted(), [[1; 32]]);
        assert_eq!(later.orchestrators(), [here]);
    }

    #[test]
    fn two_authorities_stay_pinned_and_nothing_is_written_twice() {
        let directory = tempfile::tempdir().unwrap();
        let authorities = Authorities::load(directory.path(), Some(&token(1))).unwrap();
        for authority in [1, 2, 3] {
            authorities.pin([authority; 32], &[]).unwrap();
        }
        let kept = Authorities::load(directory.path(), None).unwrap();
        assert_eq!(kept.trusted(), [[3; 32], [2; 32]]);
        fs::remove_file(directory.path().join(AUTHORITY_FILE)).unwrap();
        kept.pin([2; 32], &[]).unwrap();
        assert!(!directory.path().join(AUTHORITY_FILE).exists());
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(AUTHORITY_FILE), "{").unwrap();
        let error = Authorities::load(directory.path(), Some(&token(1))).unwrap_err();
        assert!(error.to_string().contains("delete it"), "{error}");
    }
}
