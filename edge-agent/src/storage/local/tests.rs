use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::storage::Partition;

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
        let config = self.source(source, more);
        let place = Path::new("/nonexistent");
        let wanted = Wanted { source: &config, place, partition: Partition::WHOLE, disk_bytes: None };
        let outcome = LocalStorage::new(&allowed).prepare(wanted).await;
        outcome.map_err(|error| error.to_string().replace(&root, ""))
    }

    fn source(&self, path: &str, more: &str) -> SpecConfig {
        let params = format!(r#"{{"SourcePath": "{}"{more}}}"#, self.text(path));
        SpecConfig { kind: "localDirectory".into(), params }
    }

    async fn refusal(&self, patterns: &[&str], source: &str) -> String {
        self.mount(patterns, source, "").await.unwrap_err()
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
        let mounted = world.mount(&[pattern], source, "").await.unwrap();
        assert_eq!(
            (mounted.host.name(), mounted.access),
            (&*world.path(source), Access::ReadOnly),
            "{pattern}"
        );
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
    assert_eq!(world.refusal(&[], "logs").await, "volume logs is not allowlisted");
}

#[tokio::test]
async fn links_are_resolved_before_the_list_is_asked() {
    let world = World::new();
    symlink(world.path("secret"), world.path("logs/out")).unwrap();
    symlink(world.path("logs/app"), world.path("logs/in")).unwrap();
    symlink(world.path("secret/new"), world.path("logs/dangling")).unwrap();
    let refused = world.refusal(&["logs/**"], "logs/out/key").await;
    assert_eq!(refused, "volume logs/out/key is not allowlisted");
    assert_eq!(world.mount(&["logs/**"], "logs/in", "").await.unwrap().host.name(), world.path("logs/app"));
    let create = r#", "ReadWrite": true, "CreateAs": "file""#;
    assert!(world.mount(&["logs/**:rw"], "logs/dangling", create).await.is_err());
    assert!(!world.path("secret/new").exists());
}

#[tokio::test]
async fn what_was_allowed_is_what_is_mounted_whatever_takes_its_place() {
    let world = World::new();
    let mounted = world.mount(&["logs/**"], "logs/app", "").await.unwrap().host;
    mounted.check().unwrap();
    fs::rename(world.path("logs/app"), world.path("logs/away")).unwrap();
    symlink(world.path("secret"), world.path("logs/app")).unwrap();
    assert!(mounted.access().join("a.log").exists() && !mounted.access().join("key").exists());
    mounted.check().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_silent_holds_up_nothing_but_itself() {
    let world = World::new();
    let storage = LocalStorage::new(&[]);
    let wanted = || LocalSource::parse(&world.source("logs", "")).unwrap();
    let (wake, waiting) = std::sync::mpsc::channel::<()>();
    let waiting = Arc::new(std::sync::Mutex::new(waiting));
    let silent = || {
        let waiting = Arc::clone(&waiting);
        storage.look(wanted(), move |_, _| {
            waiting.lock().unwrap().recv().unwrap();
            Ok(())
        })
    };
    let answering = storage.look(wanted(), |_, _| Ok(()));
    let time = async {
        tokio::task::yield_now().await;
        tokio::time::advance(PATIENCE).await;
    };
    let (first, second, third, ()) = tokio::join!(silent(), silent(), answering, time);
    for outcome in [first, second, third] {
        assert!(matches!(outcome, Err(Error::Silent(_))), "{outcome:?}");
    }
    (0..MAX_LOOKS).for_each(|_| wake.send(()).unwrap());
    storage.look(wanted(), |_, _| Ok(())).await.unwrap();
}

#[tokio::test]
async fn a_path_of_two_thousand_missing_directories_is_only_missing() {
    let world = World::new();
    let missing = "d/".repeat(1900);
    let refused = world.refusal(&["logs/**"], &format!("logs/{missing}")).await;
    assert!(refused.ends_with("does not exist on this node"), "{refused}");
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
    let refused = world.mount(&["logs/**"], "logs/app", WRITE).await.unwrap_err();
    assert_eq!(refused, "volume logs/app is not granted write access");
    let mounted = world.mount(&["logs/**", "logs/app:rw"], "logs/app", WRITE).await.unwrap();
    assert_eq!(mounted.access, Access::ReadWrite);
}

#[tokio::test]
async fn a_missing_path_is_made_only_when_asked_for() {
    let world = World::new();
    let missing = world.refusal(&["logs/**"], "logs/new").await;
    assert_eq!(missing, "volume logs/new does not exist on this node");
    let directory = r#", "ReadWrite": true, "CreateAs": "dir""#;
    world.mount(&["logs/**:rw"], "logs/new/deep", directory).await.unwrap();
    let mode = fs::metadata(world.path("logs/new/deep")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let file = r#", "ReadWrite": true, "CreateAs": "file""#;
    assert!(world.mount(&["logs/**:rw"], "logs/new/file", file).await.unwrap().host.name().is_file());
}

#[tokio::test]
async fn a_missing_path_below_a_granted_directory_is_called_missing() {
    let world = World::new();
    symlink(world.path("logs"), world.path("link")).unwrap();
    for (pattern, source) in
        [("logs", "logs/new"), ("logs", "logs/new/deep"), ("link/new/**", "link/new/deep")]
    {
        let refused = world.refusal(&[pattern], source).await;
        assert_eq!(refused, format!("volume {source} does not exist on this node"), "{pattern}");
    }
    let create = r#", "CreateAs": "dir""#;
    assert!(world.mount(&["logs"], "logs/new", create).await.is_err());
    assert!(!world.path("logs/new").exists());
    let elsewhere = world.refusal(&["logs"], "secret/new").await;
    assert_eq!(elsewhere, "volume secret/new is not allowlisted", "nothing is told of what is not granted");
}
