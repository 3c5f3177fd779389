use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A scratch tree with its links resolved, and a storage that allows `patterns` inside it.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for path in ["logs/app", "secret"] {
            fs::create_dir_all(directory.path().join(path)).unwrap();
        }
        fs::write(directory.path().join("logs/app/a.log"), "line").unwrap();
        fs::write(directory.path().join("secret/key"), "key").unwrap();
        Self { directory }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(inside)
    }

    fn text(&self, inside: &str) -> String {
        self.path(inside).display().to_string()
    }

    async fn mount(&self, patterns: &[&str], source: &str, more: &str) -> Result<Prepared, String> {
        let root = self.text("");
        let allowed: Vec<_> =
            patterns.iter().map(|pattern| AllowedPath::parse(&format!("{root}{pattern}")).unwrap()).collect();
        let params = format!(r#"{{"SourcePath": "{root}{source}"{more}}}"#);
        let config = SpecConfig { kind: "localDirectory".into(), params };
        let outcome = LocalStorage::new(&allowed).prepare(&config, Path::new("/nonexistent")).await;
        outcome.map_err(|error| error.to_string().replace(&root, ""))
    }
}

const WRITE: &str = r#", "ReadWrite": true"#;

#[tokio::test]
async fn allowed_paths_are_mounted_read_only() {
    let world = World::new();
    for (pattern, source) in [
        ("logs/app", "logs/app"),
        ("logs/**", "logs/app/a.log"),
        ("logs/**", "logs"),
        ("logs/*", "logs/app"),
        ("logs/**/*.log", "logs/app/a.log"),
        ("l*/app", "logs/app"),
    ] {
        let mounted = world.mount(&[pattern], source, "").await;
        let expected = Prepared { host: world.path(source), access: Access::ReadOnly };
        assert_eq!(mounted, Ok(expected), "{pattern} {source}");
    }
}

#[tokio::test]
async fn everything_else_is_not_allowlisted() {
    let world = World::new();
    for (pattern, source) in [
        ("logs/app", "logs"),
        ("logs/app", "logs/app/a.log"),
        ("logs/*", "logs/app/a.log"),
        ("logs/*", "logs"),
        ("logs/**", "secret/key"),
        ("logs/**", "logs/../secret/key"),
        ("logs/**", "logs/missing/../../secret"),
        ("log", "logs"),
    ] {
        let refused = world.mount(&[pattern], source, "").await.unwrap_err();
        let expected = format!("volume {source} is not allowlisted");
        assert!(refused == expected || refused.ends_with("cannot be used"), "{pattern} {source}: {refused}");
    }
    assert_eq!(world.mount(&[], "logs", "").await, Err("volume logs is not allowlisted".into()));
}

#[tokio::test]
async fn links_are_resolved_before_the_list_is_asked() {
    let world = World::new();
    symlink(world.path("secret"), world.path("logs/out")).unwrap();
    symlink(world.path("logs/app"), world.path("logs/in")).unwrap();
    symlink(world.path("secret/new"), world.path("logs/dangling")).unwrap();
    let refused = world.mount(&["logs/**"], "logs/out/key", "").await;
    assert_eq!(refused, Err("volume logs/out/key is not allowlisted".into()));
    assert_eq!(world.mount(&["logs/**"], "logs/in", "").await.unwrap().host, world.path("logs/app"));
    let create = r#", "ReadWrite": true, "CreateAs": "file""#;
    assert!(world.mount(&["logs/**:rw"], "logs/dangling", create).await.is_err());
    assert!(!world.path("secret/new").exists());
}

#[tokio::test]
async fn a_pattern_may_itself_lead_through_a_link() {
    let world = World::new();
    symlink(world.path("logs"), world.path("data")).unwrap();
    assert!(world.mount(&["data/**"], "data/app", "").await.is_ok());
}

#[tokio::test]
async fn writing_needs_its_own_grant() {
    let world = World::new();
    let refused = world.mount(&["logs/**"], "logs/app", WRITE).await;
    assert_eq!(refused, Err("volume logs/app is not granted write access".into()));
    let mounted = world.mount(&["logs/**", "logs/app:rw"], "logs/app", WRITE).await.unwrap();
    assert_eq!(mounted.access, Access::ReadWrite);
}

#[tokio::test]
async fn a_missing_path_is_made_only_when_asked_for() {
    let world = World::new();
    let missing = world.mount(&["logs/**"], "logs/new", "").await;
    assert_eq!(missing, Err("volume logs/new does not exist on this node".into()));
    let directory = r#", "ReadWrite": true, "CreateAs": "dir""#;
    world.mount(&["logs/**:rw"], "logs/new/deep", directory).await.unwrap();
    let mode = fs::metadata(world.path("logs/new/deep")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let file = r#", "ReadWrite": true, "CreateAs": "file""#;
    assert!(world.mount(&["logs/**:rw"], "logs/new/file", file).await.unwrap().host.is_file());
}
