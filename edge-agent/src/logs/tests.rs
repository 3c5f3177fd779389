use std::path::Path;

use bacalhau_protocol::wire::stream::MAX_LOG_CHUNK_BYTES;

use super::*;
use crate::executor::{Kept, OutputWriter};

const ALL: Wanted = Wanted { tail: false, follow: false };
const FOLLOW: Wanted = Wanted { tail: false, follow: true };
const TAIL: Wanted = Wanted { tail: true, follow: true };

fn id() -> ExecutionId {
    ExecutionId::parse("e-1").unwrap()
}

fn begin(outputs: &Outputs, directory: &Path) -> (OutputWriter, OutputWriter) {
    let (stdout, stderr, progress) = OutputWriter::open(directory, Kept::First(1 << 20)).unwrap();
    outputs.began(&id(), progress);
    (stdout, stderr)
}

fn out(text: &str) -> LogItem {
    LogItem::Stdout(text.into())
}

async fn rest(mut items: mpsc::Receiver<LogItem>) -> Vec<LogItem> {
    let mut all = Vec::new();
    while let Some(item) = items.recv().await {
        all.push(item);
    }
    all
}

#[tokio::test]
async fn after_the_end_everything_is_there() {
    let (outputs, directory) = (Outputs::default(), tempfile::tempdir().unwrap());
    std::fs::write(directory.path().join("stdout"), "one").unwrap();
    std::fs::write(directory.path().join("stderr"), "two").unwrap();
    for wanted in [ALL, FOLLOW] {
        let items = outputs.open(&id(), directory.path().to_owned(), wanted).await.unwrap();
        assert_eq!(rest(items).await, [out("one"), LogItem::Stderr("two".into()), LogItem::End]);
    }
    let items = outputs.open(&id(), directory.path().to_owned(), TAIL).await.unwrap();
    assert_eq!(rest(items).await, [LogItem::End]);
    assert!(outputs.open(&id(), directory.path().join("none"), ALL).await.is_none());
}

#[tokio::test]
async fn a_follower_hears_every_write_and_the_end() {
    let (outputs, directory) = (Outputs::default(), tempfile::tempdir().unwrap());
    outputs.expect(&id());
    let mut items = outputs.open(&id(), directory.path().to_owned(), FOLLOW).await.unwrap();
    let (stdout, stderr) = begin(&outputs, directory.path());
    for text in ["a", "b", "c"] {
        stdout.write(text.as_bytes()).unwrap();
        assert_eq!(items.recv().await, Some(out(text)));
    }
    stderr.write(b"last").unwrap();
    drop((stdout, stderr));
    outputs.over(&id());
    assert_eq!(rest(items).await, [LogItem::Stderr("last".into()), LogItem::End]);
}

#[tokio::test]
async fn a_follower_stays_through_restarts_of_a_service() {
    let (outputs, directory) = (Outputs::default(), tempfile::tempdir().unwrap());
    outputs.expect(&id());
    let mut items = outputs.open(&id(), directory.path().to_owned(), FOLLOW).await.unwrap();
    for text in ["first run", "second run"] {
        let (stdout, _stderr) = begin(&outputs, directory.path());
        stdout.write(text.as_bytes()).unwrap();
        assert_eq!(items.recv().await, Some(out(text)));
    }
    outputs.over(&id());
    assert_eq!(rest(items).await, [LogItem::End]);
}

#[tokio::test]
async fn tail_begins_now_and_without_follow_it_ends_now() {
    let (outputs, directory) = (Outputs::default(), tempfile::tempdir().unwrap());
    outputs.expect(&id());
    let (stdout, stderr) = begin(&outputs, directory.path());
    stdout.write(b"old").unwrap();
    let now = outputs.open(&id(), directory.path().to_owned(), ALL).await.unwrap();
    assert_eq!(rest(now).await, [out("old"), LogItem::End]);
    let later = outputs.open(&id(), directory.path().to_owned(), TAIL).await.unwrap();
    stdout.write(b"new").unwrap();
    drop((stdout, stderr));
    outputs.over(&id());
    assert_eq!(rest(later).await, [out("new"), LogItem::End]);
}

#[tokio::test]
async fn a_follower_reads_on_when_old_output_goes_for_new() {
    let (outputs, directory) = (Outputs::default(), tempfile::tempdir().unwrap());
    outputs.expect(&id());
    let (stdout, stderr, progress) = OutputWriter::open(directory.path(), Kept::Last(16)).unwrap();
    outputs.began(&id(), progress);
    stdout.write(b"before").unwrap();
    let mut items = outputs.open(&id(), directory.path().to_owned(), TAIL).await.unwrap();
    let mut heard = String::new();
    for line in 0..20 {
        stdout.write(format!("line {line}\n").as_bytes()).unwrap();
        let Some(LogItem::Stdout(text)) = items.recv().await else { panic!("it ended") };
        heard.push_str(&String::from_utf8(text).unwrap());
    }
    let expected: String = (0..20).map(|line| format!("line {line}\n")).collect();
    assert_eq!(heard, expected);
    drop((stdout, stderr));
    outputs.over(&id());
    assert_eq!(rest(items).await, [LogItem::End]);
    let all = outputs.open(&id(), directory.path().to_owned(), ALL).await.unwrap();
    assert_eq!(rest(all).await, [out("line 18\n"), out("line 19\n"), LogItem::End], "the newest is kept");
}

#[tokio::test]
async fn chunks_are_small_enough_for_the_wire() {
    let (outputs, directory) = (Outputs::default(), tempfile::tempdir().unwrap());
    std::fs::write(directory.path().join("stdout"), vec![b'x'; 5 * MAX_LOG_CHUNK_BYTES / 2]).unwrap();
    let items = outputs.open(&id(), directory.path().to_owned(), ALL).await.unwrap();
    let sizes: Vec<_> = rest(items)
        .await
        .into_iter()
        .map(|item| match item {
            LogItem::Stdout(bytes) | LogItem::Stderr(bytes) => bytes.len(),
            LogItem::End => 0,
        })
        .collect();
    assert!(sizes.iter().all(|size| *size <= MAX_LOG_CHUNK_BYTES));
    assert_eq!(sizes.iter().sum::<usize>(), 5 * MAX_LOG_CHUNK_BYTES / 2);
}
