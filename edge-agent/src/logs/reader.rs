//! Reads the two streams of a task's output as they grow.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bacalhau_protocol::wire::stream::{LogItem, MAX_LOG_CHUNK_BYTES};
use tokio::sync::mpsc;

use super::{Runs, Wanted};
use crate::blocking::blocking;
use crate::executor::OutputProgress;
use crate::executor::stream_files::{Part, StreamFiles};

/// Two streams and what wakes whoever follows them.
pub(super) struct Reader {
    streams: [Stream; 2],
    source: Source,
}

impl Reader {
    pub(super) async fn open(results_dir: &Path, runs: Option<Runs>, wanted: Wanted) -> Self {
        let mut streams = [
            Stream::new(StreamFiles::stdout(results_dir), LogItem::Stdout),
            Stream::new(StreamFiles::stderr(results_dir), LogItem::Stderr),
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
                        tracing::warn!(%error, "output cannot be read");
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

/// One of the two streams.
struct Stream {
    item: fn(Vec<u8>) -> LogItem,
    /// Elsewhere while it waits for the disk.
    place: Option<Place>,
}

impl Stream {
    fn new(files: StreamFiles, item: fn(Vec<u8>) -> LogItem) -> Self {
        Self { item, place: Some(Place { files, part: None, position: 0 }) }
    }

    /// Begins at the present end.
    async fn skip(&mut self) {
        // What cannot be read now is told when it is to be read.
        _ = self.at_place(Place::skip).await;
    }

    /// Sends what is there.
    async fn drain(&mut self, items: &mpsc::Sender<LogItem>) -> Result<(), Stopped> {
        while let Some(chunk) = self.at_place(Place::chunk).await.map_err(Stopped::Disk)? {
            items.send((self.item)(chunk)).await.map_err(|_| Stopped::NobodyReads)?;
        }
        Ok(())
    }

    async fn at_place<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut Place) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let Some(mut place) = self.place.take() else { return Err(io::ErrorKind::Interrupted.into()) };
        let (place, done) = blocking(move || {
            let done = act(&mut place);
            Ok((place, done))
        })
        .await?;
        self.place = Some(place);
        done
    }
}

/// How far a stream was read. Everything here blocks on the disk.
struct Place {
    files: StreamFiles,
    part: Option<Part>,
    position: u64,
}

impl Place {
    fn skip(&mut self) -> io::Result<()> {
        self.position = self.files.base()? + self.files.size()?;
        Ok(())
    }

    /// What comes next, if anything does yet.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(part) = &mut self.part else {
                let Some(mut part) = self.files.open_at(self.position)? else { return Ok(None) };
                // What went meanwhile is left out.
                self.position = self.position.max(part.start);
                part.file.seek(SeekFrom::Start(self.position - part.start))?;
                self.part = Some(part);
                continue;
            };
            // Asked before reading: to what has been moved on nothing is added.
            let is_complete = !is_current(&self.files, part)?;
            let mut chunk = vec![0; MAX_LOG_CHUNK_BYTES];
            let length = part.file.read(&mut chunk)?;
            self.position += length as u64;
            chunk.truncate(length);
            match (length, is_complete) {
                (0, true) => self.part = None,
                (0, false) => return Ok(None),
                _ => return Ok(Some(chunk)),
            }
        }
    }
}

/// Whether a file is the one that is written.
fn is_current(files: &StreamFiles, part: &Part) -> io::Result<bool> {
    match std::fs::metadata(files.current()) {
        Ok(current) => Ok(current.ino() == part.file.metadata()?.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
