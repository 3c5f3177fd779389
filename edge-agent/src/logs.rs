//! A task's output for whoever asks: from the start or from now on, to the present end or as it grows.

use std::collections::HashMap;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::stream::{LogItem, MAX_LOG_CHUNK_BYTES};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

use crate::executor::OutputProgress;
use crate::link::Unserved;

/// Items that wait for a slow reader.
const QUEUED_ITEMS: usize = 16;

/// The outputs of this node's tasks. Cheap to clone.
#[derive(Clone, Default)]
pub struct Logs {
    directory: PathBuf,
    /// Tasks that run: their progress wakes followers.
    running: Arc<Mutex<HashMap<ExecutionId, OutputProgress>>>,
}

impl Logs {
    /// Outputs lie in `directory`, as `<execution>/results/{stdout,stderr}`.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, running: Arc::default() }
    }

    /// The task has started; followers are woken by its progress.
    pub fn started(&self, execution: ExecutionId, progress: OutputProgress) {
        self.lock().insert(execution, progress);
    }

    /// The task has ended; its output stays readable until its directory is removed.
    pub fn ended(&self, execution: &ExecutionId) {
        self.lock().remove(execution);
    }

    /// Opens a task's output.
    pub async fn open(
        &self,
        execution: &ExecutionId,
        tail: bool,
        follow: bool,
    ) -> Result<mpsc::Receiver<LogItem>, Unserved> {
        let progress = self.lock().get(execution).cloned();
        let results = self.directory.join(execution.as_str()).join("results");
        let streams = [
            Stream::open(&results, "stdout", LogItem::Stdout, tail).await,
            Stream::open(&results, "stderr", LogItem::Stderr, tail).await,
        ];
        let [Ok(stdout), Ok(stderr)] = streams else {
            return Err(Unserved::not_found(format!(
                "execution {execution} has no output on this device: it has not started, or its output was removed"
            )));
        };
        let (sender, receiver) = mpsc::channel(QUEUED_ITEMS);
        tokio::spawn(send(vec![stdout, stderr], progress.filter(|_| follow), sender));
        Ok(receiver)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, OutputProgress>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the two files and how far it was read.
struct Stream {
    file: File,
    item: fn(Vec<u8>) -> LogItem,
}

impl Stream {
    async fn open(results: &Path, name: &str, item: fn(Vec<u8>) -> LogItem, tail: bool) -> io::Result<Self> {
        let mut file = File::open(results.join(name)).await?;
        if tail {
            file.seek(SeekFrom::End(0)).await?;
        }
        Ok(Self { file, item })
    }

    /// Sends what is there now. `false` when nobody listens any more.
    async fn drain(&mut self, sender: &mpsc::Sender<LogItem>) -> io::Result<bool> {
        loop {
            let mut chunk = Vec::with_capacity(MAX_LOG_CHUNK_BYTES);
            let limit = u64::try_from(MAX_LOG_CHUNK_BYTES).unwrap_or(u64::MAX);
            (&mut self.file).take(limit).read_to_end(&mut chunk).await?;
            if chunk.is_empty() {
                return Ok(true);
            }
            if sender.send((self.item)(chunk)).await.is_err() {
                return Ok(false);
            }
        }
    }
}

async fn send(mut streams: Vec<Stream>, mut progress: Option<OutputProgress>, sender: mpsc::Sender<LogItem>) {
    loop {
        // Seen before the files are read, so that what is written meanwhile wakes us again.
        if let Some(progress) = &mut progress {
            progress.borrow_and_update();
        }
        for stream in &mut streams {
            match stream.drain(&sender).await {
                Ok(true) => {}
                Ok(false) => return,
                // The directory was removed under a follower: that is the end of what there is.
                Err(error) => return tracing::debug!(%error, "output could not be read to its end"),
            }
        }
        let Some(growing) = &mut progress else { break };
        tokio::select! {
            changed = growing.changed() => {
                // The last writer is gone: one more look, since it may have written before it went.
                if changed.is_err() {
                    progress = None;
                }
            }
            () = sender.closed() => return,
        }
    }
    let _ = sender.send(LogItem::End).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::OutputWriter;

    struct World {
        root: tempfile::TempDir,
        logs: Logs,
        execution: ExecutionId,
    }

    impl World {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let logs = Logs::new(root.path().to_owned());
            std::fs::create_dir_all(root.path().join("e1/results")).unwrap();
            Self { root, logs, execution: ExecutionId::parse("e1").unwrap() }
        }

        fn start(&self) -> (OutputWriter, OutputWriter) {
            let (stdout, stderr, progress) =
                OutputWriter::open(&self.root.path().join("e1/results"), 1 << 20).unwrap();
            self.logs.started(self.execution.clone(), progress);
            (stdout, stderr)
        }
    }

    async fn all(mut items: mpsc::Receiver<LogItem>) -> Vec<LogItem> {
        let mut seen = Vec::new();
        while let Some(item) = items.recv().await {
            seen.push(item);
        }
        seen
    }

    #[tokio::test]
    async fn a_follower_sees_everything_and_the_end() {
        let world = World::new();
        let (stdout, stderr) = world.start();
        stdout.write(b"one\n").unwrap();
        let mut items = world.logs.open(&world.execution, false, true).await.unwrap();
        assert_eq!(items.recv().await, Some(LogItem::Stdout(b"one\n".to_vec())));
        stderr.write(b"two\n").unwrap();
        assert_eq!(items.recv().await, Some(LogItem::Stderr(b"two\n".to_vec())));
        stdout.write(b"three\n").unwrap();
        drop((stdout, stderr));
        assert_eq!(all(items).await, [LogItem::Stdout(b"three\n".to_vec()), LogItem::End]);
    }

    #[tokio::test]
    async fn without_follow_the_present_end_is_the_end() {
        let world = World::new();
        let (stdout, _stderr) = world.start();
        stdout.write(b"one\n").unwrap();
        let items = world.logs.open(&world.execution, false, false).await.unwrap();
        assert_eq!(all(items).await, [LogItem::Stdout(b"one\n".to_vec()), LogItem::End]);
    }

    #[tokio::test]
    async fn a_tail_begins_now() {
        let world = World::new();
        let (stdout, stderr) = world.start();
        stdout.write(b"old\n").unwrap();
        let items = world.logs.open(&world.execution, true, true).await.unwrap();
        stdout.write(b"new\n").unwrap();
        drop((stdout, stderr));
        assert_eq!(all(items).await, [LogItem::Stdout(b"new\n".to_vec()), LogItem::End]);
    }

    #[tokio::test]
    async fn output_is_there_after_the_end_and_unknown_output_is_said_to_be() {
        let world = World::new();
        let (stdout, stderr) = world.start();
        stdout.write(b"one\n").unwrap();
        drop((stdout, stderr));
        world.logs.ended(&world.execution);
        let items = world.logs.open(&world.execution, false, true).await.unwrap();
        assert_eq!(all(items).await, [LogItem::Stdout(b"one\n".to_vec()), LogItem::End]);
        let unknown = ExecutionId::parse("e2").unwrap();
        assert!(world.logs.open(&unknown, false, true).await.unwrap_err().message.contains("has no output"));
    }
}
