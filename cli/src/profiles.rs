//! Named servers of a client: one file each in `profiles/` of the data directory, and a link `current` to one of them.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A server and how to talk to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Host or URL of the API.
    #[serde(default)]
    pub endpoint: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Longest wait for an answer, a Go duration.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub timeout: String,
    /// Who asks.
    #[serde(default, skip_serializing_if = "Auth::is_empty")]
    pub auth: Auth,
    /// Whom to trust.
    #[serde(default, skip_serializing_if = "Tls::is_empty")]
    pub tls: Tls,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// A secret that is sent with every request.
    #[serde(default)]
    pub token: String,
}

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Whoever answers.
    #[serde(default)]
    pub insecure: bool,
}

impl Auth {
    fn is_empty(&self) -> bool {
        self.token.is_empty()
    }
}

impl Tls {
    fn is_empty(&self) -> bool {
        !self.insecure
    }
}

/// The profiles of a data directory.
#[derive(Clone, Debug)]
pub struct Profiles {
    directory: PathBuf,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name nobody may give.
    #[error(
        "invalid profile name {0:?}: up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit, and not \
         \"current\""
    )]
    Name(String),
    /// No such profile.
    #[error("profile {name:?} not found; {}", there_are(.known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no profile.
    #[error("{path} is no profile")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_norway::Error,
    },
}

const CURRENT: &str = "current";
const SUFFIX: &str = "yaml";

impl Profiles {
    /// Those of this data directory. Nothing is read yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { directory: data_dir.join("profiles") }
    }

    /// All names, sorted.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::File { path: self.directory.clone(), source }),
        };
        let stem = |entry: fs::DirEntry| {
            let path = entry.path();
            let is_profile = path.extension().is_some_and(|suffix| suffix == SUFFIX);
            path.file_stem().filter(|_| is_profile).and_then(|stem| stem.to_str()).map(str::to_owned)
        };
        let mut names: Vec<String> =
            entries.filter_map(Result::ok).filter_map(stem).filter(|name| is_name(name)).collect();
        names.sort();
        Ok(names)
    }

    /// The profile of this name.
    pub fn read(&self, name: &str) -> Result<Profile, Error> {
        let path = self.path(name)?;
        match fs::read_to_string(&path) {
            Ok(text) => serde_norway::from_str(&text).map_err(|source| Error::Damaged { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.unknown(name)),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// Writes a profile, readable by its owner only: it may hold a token.
    pub fn save(&self, name: &str, profile: &Profile) -> Result<(), Error> {
        let path = self.path(name)?;
        let text = serde_norway::to_string(profile).expect("a profile of texts can be written");
        let written = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        written().map_err(|source| Error::File { path: path.clone(), source })
    }

    /// The name of the one in use, if any.
    pub fn current(&self) -> Option<String> {
        let target = fs::read_link(self.directory.join(CURRENT)).ok()?;
        target.file_stem()?.to_str().filter(|name| is_name(name)).map(str::to_owned)
    }

    /// Makes a profile the one in use.
    pub fn select(&self, name: &str) -> Result<(), Error> {
        self.read(name)?;
        let (link, new) = (self.directory.join(CURRENT), self.directory.join(".current.new"));
        let linked = || {
            let _ = fs::remove_file(&new);
            symlink(format!("{name}.{SUFFIX}"), &new)?;
            fs::rename(&new, &link)
        };
        linked().map_err(|source| Error::File { path: link.clone(), source })
    }

    /// Removes a profile.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.unknown(name)),
            Err(source) => return Err(Error::File { path, source }),
        }
        if self.current().as_deref() == Some(name) {
            let _ = fs::remove_file(self.directory.join(CURRENT));
        }
        Ok(())
    }

    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        if is_name(name) {
            Ok(self.directory.join(format!("{name}.{SUFFIX}")))
        } else {
            Err(Error::Name(name.to_owned()))
        }
    }

    fn unknown(&self, name: &str) -> Error {
        Error::Unknown { name: name.to_owned(), known: self.names().unwrap_or_default() }
    }
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins && name.len() <= 64 && name.chars().all(word) && name != CURRENT
}

fn there_are(names: &[String]) -> String {
    match names {
        [] => "there are none; make one with 'bacalhau profile save'".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_kept_selected_and_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let profiles = Profiles::new(directory.path());
        assert_eq!((profiles.names().unwrap(), profiles.current()), (Vec::new(), None));
        let edge = Profile { endpoint: "https://edge:1234".into(), ..Profile::default() };
        profiles.save("edge", &edge).unwrap();
        profiles.save("a.b", &Profile::default()).unwrap();
        assert_eq!(profiles.names().unwrap(), ["a.b", "edge"]);
        assert_eq!(profiles.read("edge").unwrap(), edge);
        profiles.select("a.b").unwrap();
        profiles.select("edge").unwrap();
        assert_eq!(profiles.current().as_deref(), Some("edge"));
        profiles.delete("edge").unwrap();
        assert_eq!(profiles.current(), None);
        let error = profiles.read("edge").unwrap_err().to_string();
        assert_eq!(error, "profile \"edge\" not found; there are: a.b");
    }

    #[test]
    fn names_reach_no_other_file_and_damage_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let profiles = Profiles::new(directory.path());
        for name in ["", "..", "../x", "a/b", ".x", "current", "-x", "a b", &"x".repeat(65)] {
            assert!(matches!(profiles.read(name), Err(Error::Name(_))), "{name}");
        }
        profiles.save("x", &Profile::default()).unwrap();
        fs::write(directory.path().join("profiles/x.yaml"), "endpoint: [").unwrap();
        assert!(matches!(profiles.read("x"), Err(Error::Damaged { .. })));
    }
}
