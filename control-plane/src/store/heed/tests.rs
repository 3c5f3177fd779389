use tempfile::TempDir;

use super::*;
use crate::store::suite::{self, block_on};

mod in_the_log {
    use super::*;

    suite::run_on!(|| {
        let directory = TempDir::new().unwrap();
        let options = Options { durability: Durability::PageCache, ..Options::default() };
        (Arc::new(HeedStore::open(directory.path(), options).unwrap()), directory)
    });
}

/// Every group of transactions freezes the layer of those before it.
mod in_the_database {
    use super::*;

    suite::run_on!(|| {
        let directory = TempDir::new().unwrap();
        (Arc::new(HeedStore::open(directory.path(), EAGER).unwrap()), directory)
    });
}

const EAGER: Options =
    Options { map_bytes: 256 * 1024, checkpoint_bytes: 0, durability: Durability::PageCache };

fn open(directory: &TempDir) -> HeedStore {
    HeedStore::open(directory.path(), Options::default()).unwrap()
}

fn put(key: &str, value: impl Into<Bytes>) -> Txn {
    Txn::new().put(key.to_owned(), value)
}

#[test]
fn entries_and_the_revision_survive_reopening_and_the_log_starts_after_them() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    block_on(async {
        store.txn(put("a", "1")).await.unwrap();
        store.txn(put("b", "2")).await.unwrap();
    });
    drop(store);
    let store = open(&directory);
    block_on(async {
        assert_eq!(store.get("a".into()).await.unwrap().unwrap().revision, 1);
        assert_eq!(store.watch(2).err(), Some(Compacted { floor: 3 }));
        let mut watch = store.watch(3).unwrap();
        assert_eq!(store.txn(put("c", "3")).await.unwrap(), 3);
        assert_eq!(watch.next().await.unwrap().revision, 3);
    });
}

#[test]
fn what_is_queued_when_the_store_closes_is_committed() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let pending: Vec<_> = (0..500).map(|n| store.txn(put(&format!("k{n}"), "x"))).collect();
    drop(store);
    block_on(async {
        for acknowledged in pending {
            acknowledged.await.unwrap();
        }
        let found = open(&directory).range("".into(), "".into(), 1000, false).await.unwrap();
        assert_eq!((found.entries.len(), found.revision), (500, 500));
    });
}

#[test]
fn a_full_map_grows_while_readers_read() {
    let directory = TempDir::new().unwrap();
    let store = HeedStore::open(directory.path(), EAGER).unwrap();
    let big = Bytes::from(vec![7; 100_000]);
    thread::scope(|scope| {
        let writes = scope.spawn(|| {
            let pending: Vec<_> =
                (0..100).map(|n| store.txn(put(&format!("k{n:03}"), big.clone()))).collect();
            block_on(async { drop(futures_util::future::try_join_all(pending).await.unwrap()) });
        });
        let mut reverse = false;
        while !writes.is_finished() {
            reverse = !reverse;
            block_on(async {
                let range = store.range("".into(), "".into(), 200, reverse).await.unwrap();
                assert_eq!(range.entries.len() as u64, range.revision);
                assert!(range.entries.iter().all(|entry| entry.value == big));
            });
        }
    });
    block_on(async {
        let found = store.range("".into(), "".into(), 200, false).await.unwrap();
        assert_eq!((found.entries.len(), found.revision), (100, 100));
    });
    drop(store);
    let store = HeedStore::open(directory.path(), EAGER).unwrap();
    block_on(async { assert_eq!(store.get("k099".into()).await.unwrap().unwrap().value, big) });
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let refused = HeedStore::open(directory.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::InUse { directory: named }) if named == directory.path()));
    drop(store);
    open(&directory);
}

#[test]
fn a_newer_format_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory));
    Environment::open(directory.path(), Options::default()).unwrap().overwrite_format(2);
    let refused = HeedStore::open(directory.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::Format { found: 2, .. })));
}

#[test]
fn an_interrupted_creation_is_begun_again() {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("new")).unwrap();
    std::fs::write(directory.path().join("new/data.mdb"), [0; 5000]).unwrap();
    block_on(async { assert_eq!(open(&directory).txn(put("a", "1")).await.unwrap(), 1) });
    assert!(!directory.path().join("new").exists());
}

#[test]
fn a_foreign_database_is_left_alone() {
    let directory = TempDir::new().unwrap();
    // SAFETY: nothing else opens it.
    let foreign = unsafe { ::heed::EnvOpenOptions::new().open(directory.path()).unwrap() };
    foreign.prepare_for_closing().wait();
    let refused = HeedStore::open(directory.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::Foreign { .. })));
}

#[test]
fn a_path_that_is_no_directory_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = HeedStore::open(file.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::Directory { directory, .. }) if directory == file.path()));
}

#[tokio::test]
async fn a_long_reading_lets_others_go_first() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(&directory));
    let puts = (0..500).map(|n| store.txn(put(&format!("k{n}"), "x")));
    futures_util::future::try_join_all(puts).await.unwrap();
    let readers = [
        tokio::spawn({
            let store = store.clone();
            async move {
                for n in 0..500 {
                    store.get(format!("k{n}").into()).await.unwrap();
                }
            }
        }),
        tokio::spawn(async move {
            for _ in 0..50 {
                store.range("".into(), "".into(), 100, false).await.unwrap();
            }
        }),
    ];
    let aborts = readers.each_ref().map(tokio::task::JoinHandle::abort_handle);
    let other = tokio::spawn(async move { aborts.map(|reader| reader.is_finished()) });
    assert_eq!(other.await.unwrap(), [false, false]);
    for reader in readers {
        reader.await.unwrap();
    }
}
