use std::time::{Duration, SystemTime};

use futures_util::stream;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::*;

const LIMITS: Limits = Limits { quota_bytes: 10_000, blob_bytes: 4_000 };

fn blobs() -> (TempDir, Blobs) {
    let directory = TempDir::new().unwrap();
    let blobs = Blobs::open(directory.path(), LIMITS).unwrap();
    (directory, blobs)
}

fn stored(content: &[u8]) -> Stored {
    Stored { id: BlobId(Sha256::digest(content).into()), size: content.len() as u64 }
}

/// Later than any file of these tests.
fn later() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)
}

fn none() -> BTreeSet<BlobId> {
    BTreeSet::new()
}

#[tokio::test]
async fn a_blob_is_found_by_its_hash_from_any_offset() {
    let (directory, blobs) = blobs();
    let id = blobs.put("hello world".into()).await.unwrap();
    assert_eq!(id, stored(b"hello world").id);
    let reopened = Blobs::open(directory.path(), LIMITS).unwrap();
    assert_eq!(reopened.get(id).await.unwrap(), "hello world");
    assert_eq!(reopened.size(id).await.unwrap(), Some(11));
    let mut reader = reopened.reader(id, 6).await.unwrap();
    let mut rest = String::new();
    reader.file.read_to_string(&mut rest).await.unwrap();
    assert_eq!((rest.as_str(), reader.size), ("world", 11));
    assert!(matches!(reopened.reader(id, 12).await, Err(Error::PastEnd { size: 11, .. })));
    assert!(matches!(reopened.get(stored(b"other").id).await, Err(Error::Missing { .. })));
    assert_eq!(reopened.size(stored(b"other").id).await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_that_fails_leaves_nothing() {
    let (_directory, blobs) = blobs();
    let chunks = [Ok(Bytes::from("some")), Err(io::Error::other("cut"))];
    let outcome = blobs.put_stream(stream::iter(chunks)).await;
    assert!(matches!(outcome, Err(Error::Source(_))));
    assert_eq!(blobs.sweep(none(), later()).await.unwrap(), Swept::default());
    assert_eq!(blobs.put_stream(stream::empty()).await.unwrap(), stored(b""));
}

#[tokio::test]
async fn an_upload_resumes_where_it_stopped_even_after_a_restart() {
    let (directory, blobs) = blobs();
    let expected = stored(b"0123456789");
    let mut upload = blobs.upload("execution", expected).await.unwrap();
    assert!(matches!(blobs.upload("execution", expected).await, Err(Error::Busy)));
    upload.write("0123".into()).await.unwrap();
    assert!(matches!(upload.finish().await, Err(Error::Incomplete { received: 4, size: 10 })));
    drop(blobs);

    let blobs = Blobs::open(directory.path(), LIMITS).unwrap();
    assert_eq!(blobs.upload("another", expected).await.unwrap().held(), 0);
    let mut upload = blobs.upload("execution", expected).await.unwrap();
    assert_eq!(upload.held(), 4);
    upload.write("456789".into()).await.unwrap();
    assert_eq!(upload.held(), 10);
    assert_eq!(upload.finish().await.unwrap(), expected);
    assert_eq!(blobs.get(expected.id).await.unwrap(), "0123456789");
}

#[tokio::test]
async fn what_is_here_need_not_be_sent() {
    let (_directory, blobs) = blobs();
    let expected = stored(b"common");
    blobs.put("common".into()).await.unwrap();
    let upload = blobs.upload("execution", expected).await.unwrap();
    assert_eq!(upload.held(), 6);
    assert_eq!(upload.finish().await.unwrap(), expected);
}

#[tokio::test]
async fn wrong_bytes_are_refused_and_forgotten() {
    let (_directory, blobs) = blobs();
    let expected = stored(b"right");
    let mut upload = blobs.upload("execution", expected).await.unwrap();
    upload.write("wrong".into()).await.unwrap();
    assert!(
        matches!(upload.finish().await, Err(Error::Mismatch { found, .. }) if found == stored(b"wrong").id)
    );
    let mut upload = blobs.upload("execution", expected).await.unwrap();
    assert_eq!(upload.held(), 0);
    upload.write("right".into()).await.unwrap();
    assert!(matches!(upload.write("er".into()).await, Err(Error::Surplus { size: 5 })));
    drop(upload);
    assert_eq!(blobs.upload("execution", expected).await.unwrap().held(), 0);
    assert_eq!(blobs.size(expected.id).await.unwrap(), None);
}

#[tokio::test]
async fn the_quota_counts_every_file_once() {
    let (directory, blobs) = blobs();
    let content = |n: u8| Bytes::from(vec![n; 3000]);
    blobs.put(content(1)).await.unwrap();
    let mut partial = blobs.upload("execution", stored(&content(2))).await.unwrap();
    partial.write(content(2).slice(..2000)).await.unwrap();
    drop(partial);
    let blobs = Blobs::open(directory.path(), LIMITS).unwrap();
    blobs.put(content(1)).await.unwrap();
    blobs.put(content(1)).await.unwrap();
    blobs.put(content(3)).await.unwrap();
    let refused = blobs.put(content(4)).await;
    assert!(matches!(refused, Err(Error::Quota { used: 8000, limit: 10_000 })), "{refused:?}");
    assert_eq!(
        blobs.put(Bytes::from(vec![5; 4001])).await.map_err(|e| e.to_string()),
        Err("a blob may have at most 4000 bytes".to_owned())
    );
    blobs.put(content(2)).await.unwrap_err();
    let mut partial = blobs.upload("execution", stored(&content(2))).await.unwrap();
    partial.write(content(2).slice(2000..)).await.unwrap();
    partial.finish().await.unwrap();

    let live = BTreeSet::from([stored(&content(1)).id]);
    assert_eq!(blobs.sweep(live, later()).await.unwrap(), Swept { files: 2, bytes: 6000 });
    blobs.put(content(4)).await.unwrap();
    blobs.put(content(5)).await.unwrap();
}

#[tokio::test]
async fn a_sweep_spares_the_live_the_young_and_the_busy() {
    let (directory, blobs) = blobs();
    let (live, young) = (blobs.put("live".into()).await.unwrap(), blobs.put("young".into()).await.unwrap());
    let expected = stored(b"complete but never finished");
    let mut busy = blobs.upload("execution", expected).await.unwrap();
    busy.write("complete but never finished".into()).await.unwrap();
    let mut abandoned = blobs.upload("other", expected).await.unwrap();
    abandoned.write("complete".into()).await.unwrap();
    drop(abandoned);

    let cutoff = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    assert_eq!(blobs.sweep(none(), cutoff).await.unwrap(), Swept::default());
    age_all(directory.path());
    let reborn = blobs.put("young".into()).await.unwrap();
    let swept = blobs.sweep(BTreeSet::from([live]), cutoff).await.unwrap();
    assert_eq!(swept, Swept { files: 1, bytes: 8 });
    assert_eq!(young, reborn);
    assert_eq!(blobs.get(young).await.unwrap(), "young");
    assert_eq!(blobs.get(live).await.unwrap(), "live");

    busy.finish().await.unwrap();
    assert_eq!(blobs.sweep(none(), cutoff).await.unwrap(), Swept { files: 1, bytes: 4 });
    age_all(directory.path());
    blobs.upload("third", expected).await.unwrap().finish().await.unwrap();
    assert_eq!(blobs.sweep(none(), cutoff).await.unwrap(), Swept { files: 1, bytes: 5 });
    assert_eq!(blobs.size(expected.id).await.unwrap(), Some(expected.size));
}

/// Dates every file to 1970.
fn age_all(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age_all(&path);
        } else {
            std::fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH)
                .unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_refreshed_outlives_a_sweep() {
    let (directory, blobs) = blobs();
    let id = blobs.put("wanted again".into()).await.unwrap();
    age_all(directory.path());
    assert!(blobs.refresh(id).await.unwrap());
    let cutoff = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    assert_eq!(blobs.sweep(none(), cutoff).await.unwrap(), Swept::default());
    assert!(!blobs.refresh(stored(b"never stored").id).await.unwrap());
}

#[tokio::test]
async fn unfinished_blobs_nobody_can_resume_go_at_the_next_start() {
    let (directory, blobs) = blobs();
    drop(blobs);
    let left = directory.path().join("incoming/unnamed-0");
    std::fs::write(&left, "cut off by a crash").unwrap();
    let blobs = Blobs::open(directory.path(), LIMITS).unwrap();
    assert!(!left.exists());
    assert_eq!(blobs.put("whole".into()).await.unwrap(), stored(b"whole").id);
}
