use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use bacalhau_protocol::spec::inline::{source, take_large_data};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::*;
use crate::storage::Partition;

/// The control plane's blobs, on disk.
struct Shelf {
    directory: tempfile::TempDir,
    fetched: AtomicUsize,
}

impl Shelf {
    fn new() -> Arc<Self> {
        Arc::new(Self { directory: tempfile::tempdir().unwrap(), fetched: AtomicUsize::new(0) })
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(self.directory.path().join(name(Sha256::digest(bytes).into())), bytes).unwrap();
    }
}

impl Blobs for Shelf {
    fn fetch<'a>(
        &'a self,
        hash: [u8; 32],
        destination: &'a Path,
    ) -> BoxFuture<'a, Result<(), crate::storage::Error>> {
        Box::pin(async move {
            if !destination.exists() {
                self.fetched.fetch_add(1, Ordering::Relaxed);
                fs::copy(self.directory.path().join(name(hash)), destination)?;
            }
            Ok(())
        })
    }
}

fn name(hash: [u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, kind, content) in entries {
        let mut header = Header::new_old();
        // Written by hand: the library refuses to write hostile names.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if kind.is_symlink() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

struct World {
    directory: tempfile::TempDir,
    shelf: Arc<Shelf>,
    storage: InlineStorage,
}

impl World {
    fn new(cache_bytes: u64) -> Self {
        let (directory, shelf) = (tempfile::tempdir().unwrap(), Shelf::new());
        let blobs: Arc<dyn Blobs> = Arc::<Shelf>::clone(&shelf);
        let storage = InlineStorage::new(blobs, directory.path().join("cache"), cache_bytes);
        Self { directory, shelf, storage }
    }

    async fn bring(&self, name: &str, source: &SpecConfig) -> Result<HostPath, String> {
        let prepared = {
            let place = self.directory.path().join(name);
            let wanted = Wanted { source, place: &place, partition: Partition::WHOLE, disk_bytes: None };
            self.storage.prepare(wanted).await
        };
        let prepared = prepared.map_err(|error| crate::chain::chain(&*error))?;
        assert_eq!(prepared.access, Access::ReadOnly);
        Ok(prepared.host)
    }
}

#[tokio::test]
async fn plain_data_becomes_a_file_each_time_it_is_prepared() {
    let world = World::new(0);
    for _ in 0..2 {
        let path = world.bring("0", &source("text/plain", b"hello".to_vec())).await.unwrap();
        assert!(!path.name().exists(), "nobody has asked for a file");
        assert_eq!(fs::read(path.make().unwrap()).unwrap(), b"hello");
        fs::remove_file(path.name()).unwrap();
    }
}

#[tokio::test]
async fn a_packed_directory_becomes_a_directory() {
    let world = World::new(0);
    let archive = packed(&[("./d/", EntryType::Directory, b""), ("d/f", EntryType::Regular, b"x")]);
    let path = world.bring("0", &source("application/gzip", archive)).await.unwrap();
    assert_eq!(fs::read(path.make().unwrap().join("d/f")).unwrap(), b"x");
}

#[tokio::test]
async fn hostile_archives_are_refused() {
    let world = World::new(0);
    let zeros = vec![0; usize::try_from(MAX_UNPACKED_BYTES).unwrap() + 1];
    for (archive, complaint) in [
        (packed(&[("../f", EntryType::Regular, b"x")]), "leads out of the directory"),
        (packed(&[("/f", EntryType::Regular, b"x")]), "leads out of the directory"),
        (packed(&[("f", EntryType::Symlink, b"")]), "neither a file nor a directory"),
        (packed(&[("f", EntryType::Link, b"")]), "neither a file nor a directory"),
        (packed(&[("f", EntryType::Regular, &zeros)]), "holds more than 10485760 bytes"),
        (packed(&[("d", EntryType::Directory, &vec![0; 60 << 20])]), "holds more than 10485760 bytes"),
        (packed(&[("n", EntryType::GNULongName, &zeros)]), "describes an entry with more than 64 KiB"),
        (
            packed(&[
                ("n", EntryType::GNULongName, "d/".repeat(65).as_bytes()),
                ("", EntryType::Directory, b""),
            ]),
            "more than 64 directories",
        ),
        (b"no gzip".to_vec(), "cannot be read or written"),
    ] {
        let error = world.bring("0", &source("application/gzip", archive)).await.unwrap_err();
        assert!(error.starts_with("the input's archive cannot be unpacked: it"), "{error}");
        assert!(error.contains(complaint), "{error}");
    }
    assert!(!world.directory.path().join("f").exists());
}

#[tokio::test]
async fn a_blob_is_fetched_once_and_survives_its_eviction_while_in_use() {
    let world = World::new(50_000);
    let blob = |byte| {
        let bytes = vec![byte; 40_000];
        world.shelf.put(&bytes);
        let mut source = source("application/wasm", bytes);
        take_large_data(&mut source).unwrap();
        source
    };
    let (first, second) = (blob(1), blob(2));
    let path = world.bring("0", &first).await.unwrap();
    world.bring("1", &first).await.unwrap();
    assert_eq!(world.shelf.fetched.load(Ordering::Relaxed), 1);
    world.bring("2", &second).await.unwrap();
    assert_eq!(fs::read_dir(world.directory.path().join("cache")).unwrap().count(), 1);
    assert_eq!(fs::read(path.make().unwrap()).unwrap(), vec![1; 40_000]);
    world.bring("3", &first).await.unwrap();
    assert_eq!(world.shelf.fetched.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_blob_that_does_not_come_says_so() {
    let world = World::new(0);
    let mut source = source("text/plain", vec![3; 40_000]);
    take_large_data(&mut source).unwrap();
    let error = world.bring("0", &source).await.unwrap_err();
    assert!(error.starts_with("the input's data could not be fetched from the control plane: "), "{error}");
}
