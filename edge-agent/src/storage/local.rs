//! Input source `localDirectory`, or `local`: a path of the node that its operator grants to jobs.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::local::{CreateAs, LocalSource};
use futures_util::future::BoxFuture;
use globset::GlobBuilder;

use super::{Error, Prepared, Source};
use crate::config::{Access as Granted, AllowedPath};
use crate::executor::Access;

/// Paths of the node.
pub(super) struct Local {
    allowed: Vec<AllowedPath>,
}

impl Local {
    pub(super) fn new(allowed: Vec<AllowedPath>) -> Self {
        Self { allowed }
    }

    /// The path with all links resolved, if the operator grants what is asked. What is checked is what is mounted.
    fn resolve(&self, source: &LocalSource) -> Result<Resolved, Error> {
        let written = Path::new(&source.path);
        let resolved = match fs::canonicalize(written) {
            Ok(path) => Resolved { path, exists: true },
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && source.create_as != CreateAs::NoCreate =>
            {
                Resolved {
                    path: future(written).ok_or_else(|| Error::Missing(source.path.clone()))?,
                    exists: false,
                }
            }
            // What is not granted is not told to be missing either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.permit(source, &lexical(written))?;
                return Err(Error::Missing(source.path.clone()));
            }
            Err(io) => return Err(Error::File { action: "resolving", path: written.to_owned(), source: io }),
        };
        self.permit(source, &resolved.path)?;
        Ok(resolved)
    }

    fn permit(&self, source: &LocalSource, path: &Path) -> Result<(), Error> {
        let leads = match path.to_str() {
            Some(resolved) if resolved == source.path.trim_end_matches('/') => String::new(),
            _ => format!(" (it leads to {})", path.display()),
        };
        let grants: Vec<_> = self.allowed.iter().filter(|allowed| grants(&allowed.pattern, path)).collect();
        let written = source.path.clone();
        if grants.is_empty() {
            return Err(Error::NotAllowed { path: written, leads });
        }
        if source.read_write && !grants.iter().any(|allowed| allowed.access == Granted::ReadWrite) {
            return Err(Error::ReadOnly { path: written, leads });
        }
        Ok(())
    }
}

struct Resolved {
    path: PathBuf,
    exists: bool,
}

impl Source for Local {
    fn kinds(&self) -> &'static [&'static str] {
        &["localdirectory", "local"]
    }

    fn is_local(&self) -> bool {
        true
    }

    fn check(&self, config: &SpecConfig) -> Result<(), Error> {
        self.resolve(&LocalSource::parse(config)?).map(drop)
    }

    fn prepare(&self, config: SpecConfig, _directory: PathBuf) -> BoxFuture<'_, Result<Prepared, Error>> {
        Box::pin(async move {
            let source = LocalSource::parse(&config)?;
            let resolved = self.resolve(&source)?;
            if !resolved.exists {
                create(&resolved.path, source.create_as).map_err(|io| Error::File {
                    action: "making",
                    path: resolved.path.clone(),
                    source: io,
                })?;
            }
            let access = if source.read_write { Access::ReadWrite } else { Access::ReadOnly };
            Ok(Prepared { host: resolved.path, access })
        })
    }
}

/// Whether a pattern grants a path: it matches the path or a directory above it. The fixed beginning of the pattern is
/// resolved too, since the operator may have granted a link.
fn grants(pattern: &str, path: &Path) -> bool {
    let pattern =
        resolved_pattern(pattern.strip_suffix("/**").filter(|base| !base.is_empty()).unwrap_or(pattern));
    let Ok(glob) = GlobBuilder::new(&pattern).literal_separator(true).build() else { return false };
    let glob = glob.compile_matcher();
    path.ancestors().any(|ancestor| glob.is_match(ancestor))
}

fn resolved_pattern(pattern: &str) -> String {
    let is_fixed = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
    let parts: Vec<&str> = pattern.split('/').collect();
    let fixed = parts.iter().take_while(|part| is_fixed(part)).count();
    let beginning = parts[..fixed].join("/");
    let beginning = if beginning.is_empty() { "/".to_owned() } else { beginning };
    let Ok(resolved) = fs::canonicalize(&beginning) else { return pattern.to_owned() };
    let resolved = globset::escape(&resolved.to_string_lossy());
    let rest = parts[fixed..].join("/");
    match (resolved.as_str(), rest.is_empty()) {
        (_, true) => resolved,
        ("/", false) => format!("/{rest}"),
        (_, false) => format!("{resolved}/{rest}"),
    }
}

/// Where a path that is not there yet would be: its parent must be there.
fn future(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?;
    Some(fs::canonicalize(path.parent()?).ok()?.join(name))
}

/// The path without `.` and `..`, by its text alone.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    out
}

fn create(path: &Path, create_as: CreateAs) -> io::Result<()> {
    match create_as {
        CreateAs::Directory => fs::DirBuilder::new().mode(0o700).create(path),
        CreateAs::File => fs::File::create_new(path).map(drop),
        CreateAs::NoCreate => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    struct World {
        root: tempfile::TempDir,
        local: Local,
    }

    impl World {
        /// `logs/` is granted for reading, `work/` for writing; `secret/` is not granted.
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for name in ["logs", "logs/nginx", "logs-old", "work", "secret"] {
                fs::create_dir(root.path().join(name)).unwrap();
            }
            fs::write(root.path().join("logs/syslog"), "x").unwrap();
            let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
            let allowed = vec![
                AllowedPath { pattern: at("logs"), access: Granted::ReadOnly },
                AllowedPath { pattern: at("work/**"), access: Granted::ReadWrite },
            ];
            let local = Local::new(allowed);
            Self { root, local }
        }

        fn check(&self, name: &str) -> Result<(), String> {
            self.ask(json!({ "SourcePath": self.at(name) }))
        }

        fn write(&self, name: &str) -> Result<(), String> {
            self.ask(json!({ "SourcePath": self.at(name), "ReadWrite": true }))
        }

        fn ask(&self, params: serde_json::Value) -> Result<(), String> {
            let config = SpecConfig { kind: "local".to_owned(), params: params.to_string() };
            self.local.check(&config).map_err(|error| error.to_string())
        }

        fn at(&self, name: &str) -> String {
            self.root.path().join(name).to_str().unwrap().to_owned()
        }
    }

    #[test]
    fn a_granted_directory_grants_what_is_below() {
        let world = World::new();
        for name in ["logs", "logs/", "logs/syslog", "logs/nginx", "work", "logs/nginx/../syslog"] {
            assert_eq!(world.check(name), Ok(()), "{name}");
        }
        assert_eq!(world.write("work"), Ok(()));
    }

    #[test]
    fn neighbours_and_parents_are_not_granted() {
        let world = World::new();
        for name in ["logs-old", "", "secret", "logs/../secret", "logs/../../etc"] {
            let error = world.check(name).unwrap_err();
            assert!(error.contains("is not allowlisted"), "{name}: {error}");
        }
    }

    #[test]
    fn a_link_out_of_the_granted_directory_is_refused_and_named() {
        let world = World::new();
        symlink(world.at("secret"), world.at("logs/innocent")).unwrap();
        let error = world.check("logs/innocent").unwrap_err();
        assert!(error.contains("is not allowlisted (it leads to") && error.contains("secret"), "{error}");
    }

    #[test]
    fn a_granted_link_grants_what_it_leads_to() {
        let mut world = World::new();
        symlink(world.at("secret"), world.at("alias")).unwrap();
        world.local.allowed.push(AllowedPath { pattern: world.at("alias/**"), access: Granted::ReadOnly });
        assert_eq!(world.check("alias"), Ok(()));
    }

    #[test]
    fn writing_needs_its_own_grant() {
        let world = World::new();
        assert!(world.write("logs").unwrap_err().contains("is not granted write access"));
    }

    #[test]
    fn what_is_not_there_is_said_to_be_missing_only_where_it_may_be_known() {
        let world = World::new();
        assert!(world.check("logs/none").unwrap_err().contains("does not exist on this node"));
        assert!(world.check("secret/none").unwrap_err().contains("is not allowlisted"));
    }

    #[tokio::test]
    async fn a_missing_path_is_made_where_writing_is_granted() {
        let world = World::new();
        let config = |name: &str| SpecConfig {
            kind: "localDirectory".to_owned(),
            params: json!({ "SourcePath": world.at(name), "ReadWrite": true, "CreateAs": "dir" }).to_string(),
        };
        let prepared = world.local.prepare(config("work/new"), PathBuf::new()).await.unwrap();
        assert!(prepared.host.is_dir());
        assert_eq!(prepared.access, Access::ReadWrite);
        assert_eq!(world.local.prepare(config("work/new"), PathBuf::new()).await.unwrap(), prepared, "again");
        assert!(world.local.prepare(config("logs/new"), PathBuf::new()).await.is_err());
        assert!(!Path::new(&world.at("logs/new")).exists());
    }
}
