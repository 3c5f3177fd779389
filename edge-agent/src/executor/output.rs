//! Stdout and stderr of a task: capped files, made and written as the task writes, and a counter that wakes followers.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::stream_files::StreamFiles;
use crate::disk;

/// Bytes after which the disk is asked again whether there is room.
const ASKED_EVERY_BYTES: u64 = 4 << 20;

/// What is kept of each of stdout and stderr when there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// This many bytes from the beginning: the answer of a task that ends.
    First(u64),
    /// At least half this many bytes, and at most this many, up to the end: the log of a task that goes on.
    Last(u64),
}

impl Kept {
    /// Most bytes that are kept.
    pub fn bytes(self) -> u64 {
        match self {
            Self::First(bytes) | Self::Last(bytes) => bytes,
        }
    }
}

/// How much there is to read by now; changes with every write and closes when nothing more will come.
pub type OutputProgress = watch::Receiver<OutputSize>;

/// Where the two streams end, and whether their limit cut anything off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputSize {
    /// Bytes of stdout, those that went for later ones included.
    pub stdout_bytes: u64,
    /// Bytes of stderr, likewise.
    pub stderr_bytes: u64,
    /// Some of stdout was dropped.
    pub stdout_truncated: bool,
    /// Some of stderr was dropped.
    pub stderr_truncated: bool,
}

/// Appends to one of the two streams. Clones write to the same file under the same limit.
#[derive(Debug, Clone)]
pub struct OutputWriter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stream: Stream,
    kept: Kept,
    // Locked for all of a write, so that concurrent writers neither tear the limit nor interleave.
    file: Mutex<Appended>,
    progress: Arc<watch::Sender<OutputSize>>,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

impl OutputWriter {
    /// Appends to `stdout` and `stderr` in `dir`: a service that is started again goes on in its files, and what they
    /// hold counts against the limit. Files and directory are made with the first write, since many tasks say nothing.
    pub fn open(dir: &Path, kept: Kept) -> io::Result<(Self, Self, OutputProgress)> {
        let stdout = Appended::new(StreamFiles::stdout(dir))?;
        let stderr = Appended::new(StreamFiles::stderr(dir))?;
        let size =
            OutputSize { stdout_bytes: stdout.end(), stderr_bytes: stderr.end(), ..OutputSize::default() };
        let (progress, seen) = watch::channel(size);
        let progress = Arc::new(progress);
        let writer = |stream, file| {
            let progress = Arc::clone(&progress);
            Self(Arc::new(Inner { stream, kept, file: Mutex::new(file), progress }))
        };
        Ok((writer(Stream::Stdout, stdout), writer(Stream::Stderr, stderr), seen))
    }

    /// Writes, drops what does not fit under the limit, and tells followers. Fails only if the disk does, or is about to:
    /// from then on for good where the beginning is kept, so that nothing is missing in its middle.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file();
        if let (Kept::First(_), Some(broken)) = (self.0.kept, file.broken()) {
            return Err(broken);
        }
        let written = file.write(bytes, self.0.kept);
        file.broken = written.as_ref().err().map(|error| (error.kind(), error.to_string()));
        let truncated = written?;
        let end = file.end();
        self.0.progress.send_modify(|progress| progress.advance(self.0.stream, end, truncated));
        Ok(())
    }

    /// Why what was written last is not in the file, if it is not.
    pub fn broken(&self) -> Option<io::Error> {
        self.file().broken()
    }

    fn file(&self) -> MutexGuard<'_, Appended> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputSize {
    fn advance(&mut self, stream: Stream, bytes: u64, truncated: bool) {
        let (size, cut) = match stream {
            Stream::Stdout => (&mut self.stdout_bytes, &mut self.stdout_truncated),
            Stream::Stderr => (&mut self.stderr_bytes, &mut self.stderr_truncated),
        };
        *size = bytes;
        *cut |= truncated;
    }
}

/// A file that is opened, and made, when there is something to append.
#[derive(Debug)]
struct Appended {
    files: StreamFiles,
    file: Option<File>,
    /// Where in the stream it begins.
    base: u64,
    size: u64,
    /// Bytes for which the disk is known to have room.
    room: u64,
    /// What the disk said to the last write.
    broken: Option<(io::ErrorKind, String)>,
}

impl Appended {
    fn new(files: StreamFiles) -> io::Result<Self> {
        let (base, size) = (files.base()?, files.size()?);
        Ok(Self { files, file: None, base, size, room: 0, broken: None })
    }

    /// Where the stream ends.
    fn end(&self) -> u64 {
        self.base + self.size
    }

    fn broken(&self) -> Option<io::Error> {
        self.broken.as_ref().map(|(kind, reason)| io::Error::new(*kind, reason.clone()))
    }

    /// Tells whether something was dropped.
    fn write(&mut self, bytes: &[u8], kept: Kept) -> io::Result<bool> {
        match kept {
            Kept::First(limit) => {
                let room = usize::try_from(limit.saturating_sub(self.end())).unwrap_or(usize::MAX);
                let kept = &bytes[..bytes.len().min(room)];
                self.append(kept)?;
                Ok(kept.len() < bytes.len())
            }
            Kept::Last(limit) => {
                let is_full = self.size > 0 && self.size.saturating_add(bytes.len() as u64) > limit / 2;
                let truncated = is_full && self.move_on()?;
                self.append(bytes)?;
                Ok(truncated)
            }
        }
    }

    /// Goes on in a new file. Tells whether something had to go for it.
    fn move_on(&mut self) -> io::Result<bool> {
        self.file = None;
        let end = self.end();
        let truncated = self.files.move_on(end)?;
        (self.base, self.size) = (end, 0);
        Ok(truncated)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            unopened => unopened.insert(open(&self.files.current())?),
        };
        let length = bytes.len() as u64;
        if self.room < length {
            self.room = disk::free(&self.files.current())?.min(ASKED_EVERY_BYTES.max(length));
        }
        if self.room < length {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the disk is full but for what the agent needs",
            ));
        }
        file.write_all(bytes)?;
        self.room -= length;
        self.size += length;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn of_a_task_that_goes_on_the_newest_output_is_kept_and_positions_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut written = String::new();
        // Opened again and again, as by agents that come and go.
        for line in 0..100 {
            let (stdout, _, progress) = OutputWriter::open(dir.path(), Kept::Last(40)).unwrap();
            let text = format!("line {line}\n");
            stdout.write(text.as_bytes()).unwrap();
            written.push_str(&text);
            assert_eq!(progress.borrow().stdout_bytes, written.len() as u64);
            let sizes =
                fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
            let kept: u64 = sizes.sum();
            assert!(kept <= 40 && kept >= 20.min(written.len() as u64), "{kept} after {line}");
        }
        let files = StreamFiles::stdout(dir.path());
        let base = usize::try_from(files.base().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(files.current()).unwrap(), written[base..]);
    }

    #[test]
    fn output_beyond_the_limit_is_dropped_and_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let (stdout, stderr, progress) = OutputWriter::open(dir.path(), Kept::First(5)).unwrap();
        stdout.write(b"abc").unwrap();
        assert!(!progress.borrow().stdout_truncated);
        stdout.write(b"defg").unwrap();
        stderr.write(b"x").unwrap();
        assert_eq!(std::fs::read(dir.path().join("stdout")).unwrap(), b"abcde");
        let expected =
            OutputSize { stdout_bytes: 5, stderr_bytes: 1, stdout_truncated: true, stderr_truncated: false };
        assert_eq!(*progress.borrow(), expected);
    }

    #[test]
    fn what_the_disk_refused_is_not_followed_by_more_unless_the_newest_is_kept() {
        for kept in [Kept::First(100), Kept::Last(100)] {
            let dir = tempfile::tempdir().unwrap();
            let (stdout, ..) = OutputWriter::open(dir.path(), kept).unwrap();
            fs::create_dir(dir.path().join("stdout")).unwrap();
            stdout.write(b"lost").unwrap_err();
            let reason = stdout.broken().unwrap().to_string();
            fs::remove_dir(dir.path().join("stdout")).unwrap();
            let again = stdout.write(b"later");
            if matches!(kept, Kept::First(_)) {
                assert_eq!(again.unwrap_err().to_string(), reason);
            } else {
                again.unwrap();
                assert!(stdout.broken().is_none());
            }
        }
    }

    #[test]
    fn a_restarted_task_goes_on_in_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let (stdout, ..) = OutputWriter::open(dir.path(), Kept::First(4)).unwrap();
        stdout.write(b"abc").unwrap();
        drop(stdout);
        let (stdout, _, progress) = OutputWriter::open(dir.path(), Kept::First(4)).unwrap();
        assert_eq!(progress.borrow().stdout_bytes, 3);
        stdout.write(b"def").unwrap();
        assert_eq!(std::fs::read(dir.path().join("stdout")).unwrap(), b"abcd");
    }

    #[test]
    fn a_task_that_says_nothing_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("e-1");
        let (stdout, stderr, _) = OutputWriter::open(&results, Kept::First(4)).unwrap();
        stdout.write(b"").unwrap();
        assert!(!results.exists());
        stderr.write(b"x").unwrap();
        let files: Vec<_> = fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["stderr"]);
    }

    #[tokio::test]
    async fn followers_see_the_end_when_the_last_writer_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (stdout, stderr, mut progress) = OutputWriter::open(dir.path(), Kept::First(4)).unwrap();
        stdout.write(b"abc").unwrap();
        progress.changed().await.unwrap();
        drop((stdout, stderr));
        assert!(progress.changed().await.is_err());
        assert_eq!(progress.borrow().stdout_bytes, 3);
    }
}
