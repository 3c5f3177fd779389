use std::fs;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::*;
use crate::tree;

/// A control plane that may be out of reach.
#[derive(Default)]
struct Home {
    reachable: AtomicBool,
    taken: Mutex<Vec<ExecutionId>>,
}

impl ResultStore for Home {
    fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    fn store<'a>(
        &'a self,
        _: &'a JobId,
        execution_id: &'a ExecutionId,
        _: &'a Archive,
    ) -> BoxFuture<'a, Result<(), crate::publisher::Error>> {
        self.taken.lock().unwrap().push(execution_id.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

struct World {
    directory: tempfile::TempDir,
    home: Arc<Home>,
    publisher: LocalPublisher,
}

impl World {
    fn new(limits: Limits) -> Self {
        let (directory, home) = (tempfile::tempdir().unwrap(), Arc::<Home>::default());
        fs::create_dir_all(directory.path().join("results/out")).unwrap();
        fs::write(directory.path().join("results/stdout"), "hello").unwrap();
        fs::write(directory.path().join("results/out/f"), "x").unwrap();
        let store: Arc<dyn ResultStore> = Arc::<Home>::clone(&home);
        let publisher = LocalPublisher::open(directory.path().join("archives"), limits, store).unwrap();
        Self { directory, home, publisher }
    }

    async fn publish(&self, name: &str) -> SpecConfig {
        self.try_publish(name).await.unwrap()
    }

    async fn try_publish(&self, name: &str) -> Result<SpecConfig, crate::publisher::Error> {
        let results = Results {
            job_id: &JobId::parse("j-1").unwrap(),
            execution_id: &id(name),
            spec: &SpecConfig::default(),
            directory: &self.directory.path().join("results"),
        };
        self.publisher.publish(results).await
    }

    async fn archive(&self, name: &str) -> Option<Archive> {
        self.publisher.archive(&id(name)).await.unwrap()
    }

    fn taken(&self) -> Vec<ExecutionId> {
        self.home.taken.lock().unwrap().clone()
    }
}

fn id(name: &str) -> ExecutionId {
    ExecutionId::parse(name).unwrap()
}

fn contents(archive: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(archive).unwrap()));
    let mut contents = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        contents.insert(entry.path().unwrap().display().to_string(), text);
    }
    contents
}

#[tokio::test]
async fn results_become_one_archive_that_is_described_exactly() {
    let world = World::new(Limits::default());
    let place = UrlDownload::parse(&world.publish("e-1").await).unwrap();
    assert_eq!(place.url, "/api/v1/orchestrator/jobs/j-1/executions/e-1/results.tar.gz");
    let archive = world.archive("e-1").await.unwrap();
    let bytes = fs::read(&archive.path).unwrap();
    assert_eq!(place.sha256, Some(Sha256::digest(&bytes).into()));
    assert_eq!((place.size, archive.size), (Some(bytes.len() as u64), bytes.len() as u64));
    assert_eq!(Some(archive.hash), place.sha256);
    let entries = contents(&archive.path);
    assert_eq!(entries["stdout"], "hello");
    assert_eq!(entries["out/f"], "x");
    assert_eq!(world.archive("e-2").await, None);
}

#[tokio::test]
async fn links_the_task_made_are_left_out() {
    let world = World::new(Limits::default());
    std::os::unix::fs::symlink("/etc/passwd", world.directory.path().join("results/out/link")).unwrap();
    world.publish("e-1").await;
    let archive = world.archive("e-1").await.unwrap();
    assert!(!contents(&archive.path).keys().any(|path| path.contains("link")));
}

#[tokio::test]
async fn directories_nested_too_deep_are_an_error_and_nothing_worse() {
    let world = World::new(Limits::default());
    let out = world.directory.path().join("results/out");
    tree::tests::nest(&out, MAX_DEPTH - 1);
    fs::write(out.join(tree::tests::nested(MAX_DEPTH - 1)).join("f"), "deep").unwrap();
    world.publish("e-1").await;
    let deepest = format!("out/{}/f", tree::tests::nested(MAX_DEPTH - 1));
    assert_eq!(contents(&world.archive("e-1").await.unwrap().path)[&deepest], "deep");
    tree::remove(&out).unwrap();
    fs::create_dir(&out).unwrap();
    tree::tests::nest(&out, MAX_DEPTH);
    let error = world.try_publish("e-2").await.unwrap_err();
    assert_eq!(error.to_string(), "the results hold more than 64 directories inside one another");
    assert_eq!(world.archive("e-2").await, None);
}

#[tokio::test]
async fn publishing_again_gives_the_same_archive() {
    let world = World::new(Limits::default());
    assert_eq!(world.publish("e-1").await, world.publish("e-1").await);
}

#[tokio::test]
async fn the_oldest_archives_make_room() {
    let world = World::new(Limits { entries: 2, ..Limits::default() });
    for name in ["e-1", "e-2", "e-3"] {
        world.publish(name).await;
    }
    assert_eq!(world.archive("e-1").await, None);
    assert!(world.archive("e-3").await.is_some());
}

#[tokio::test]
async fn small_archives_go_home_at_once_or_after_the_next_welcome() {
    let world = World::new(Limits::default());
    world.publish("e-1").await;
    assert!(world.taken().is_empty());
    world.home.reachable.store(true, Ordering::Relaxed);
    world.publish("e-2").await;
    assert_eq!(world.taken(), [id("e-2")]);
    world.publisher.deliver_waiting().await;
    world.publisher.deliver_waiting().await;
    assert_eq!(world.taken(), [id("e-2"), id("e-1")]);
}

#[tokio::test]
async fn what_an_earlier_process_could_not_take_home_goes_after_the_next_welcome() {
    let world = World::new(Limits::default());
    world.publish("e-1").await;
    let store: Arc<dyn ResultStore> = Arc::<Home>::clone(&world.home);
    let next =
        LocalPublisher::open(world.directory.path().join("archives"), Limits::default(), store).unwrap();
    for name in ["e-1", "e-gone"] {
        next.remember(&JobId::parse("j-1").unwrap(), &id(name));
    }
    world.home.reachable.store(true, Ordering::Relaxed);
    next.deliver_waiting().await;
    assert_eq!(world.taken(), [id("e-1")]);
}
