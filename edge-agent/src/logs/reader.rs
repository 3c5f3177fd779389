//! Reads the two files of a task's output as they grow.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use bacalhau_protocol::wire::stream::{LogItem, MAX_LOG_CHUNK_BYTES};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

use super::{Runs, Wanted};
use crate::executor::OutputProgress;

/// Two files and what wakes whoever follows them.
pub(super) struct Reader {
    streams: [Stream; 2],
    source: Source,
}

impl Reader {
    pub(super) async fn open(results_dir: &Path, runs: Option<Runs>, wanted: Wanted) -> Self {
        let mut streams = [
            Stream::new(results_dir.join("stdout"), LogItem::Stdout),
            Stream::new(results_dir.join("stderr"), LogItem::Stderr),
        ];
        if wanted.tail {
            for stream in &mut streams {
                stream.skip().await;
            }
        }
        Self { streams, source: Source { runs: runs.filter(|_| wanted.follow), progress: None } }
    }

    /// Sends everything wanted, then the end. Stops early when nobody reads.
    pub(super) async fn read(mut self, items: mpsc::Sender<LogItem>) {
        loop {
            // Taken note of before reading, so that nothing written meanwhile is missed.
            let more = self.source.note();
            for stream in &mut self.streams {
                match stream.drain(&items).await {
                    Ok(()) => {}
                    Err(Stopped::NobodyReads) => return,
                    Err(Stopped::Disk(error)) => {
                        tracing::warn!(%error, path = %stream.path.display(), "output cannot be read");
                    }
                }
            }
            if !more {
                break;
            }
            tokio::select! {
                () = self.source.changed() => {}
                () = items.closed() => return,
            }
        }
        _ = items.send(LogItem::End).await;
    }
}

enum Stopped {
    NobodyReads,
    Disk(io::Error),
}

/// What wakes a follower.
struct Source {
    runs: Option<Runs>,
    progress: Option<OutputProgress>,
}

impl Source {
    /// Marks everything so far as seen; false when nothing more can come.
    fn note(&mut self) -> bool {
        let Some(runs) = &mut self.runs else { return false };
        let open = runs.has_changed().is_ok();
        self.progress = runs.borrow_and_update().clone();
        if let Some(progress) = &mut self.progress {
            progress.mark_unchanged();
        }
        open
    }

    /// Waits for the next write, the next run, or the end of all runs.
    async fn changed(&mut self) {
        let Some(runs) = &mut self.runs else { return };
        if let Some(progress) = &mut self.progress {
            tokio::select! {
                _ = runs.changed() => return,
                write = progress.changed() => if write.is_ok() {
                    return;
                }
            }
        }
        // No run, or one that is over: there may be another.
        _ = runs.changed().await;
    }
}

/// One of the two files.
struct Stream {
    path: PathBuf,
    item: fn(Vec<u8>) -> LogItem,
    file: Option<File>,
    position: u64,
}

impl Stream {
    fn new(path: PathBuf, item: fn(Vec<u8>) -> LogItem) -> Self {
        Self { path, item, file: None, position: 0 }
    }

    /// Begins at the present end.
    async fn skip(&mut self) {
        self.position = fs::metadata(&self.path).await.map_or(0, |metadata| metadata.len());
    }

    /// Sends what is there.
    async fn drain(&mut self, items: &mpsc::Sender<LogItem>) -> Result<(), Stopped> {
        while let Some(chunk) = self.chunk().await.map_err(Stopped::Disk)? {
            items.send((self.item)(chunk)).await.map_err(|_| Stopped::NobodyReads)?;
        }
        Ok(())
    }

    async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.file.is_none() {
            match File::open(&self.path).await {
                Ok(mut file) => {
                    file.seek(SeekFrom::Start(self.position)).await?;
                    self.file = Some(file);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut chunk = vec![0; MAX_LOG_CHUNK_BYTES];
        let length = file.read(&mut chunk).await?;
        chunk.truncate(length);
        Ok((length > 0).then_some(chunk))
    }
}
