//! Stdout and stderr of a task: two capped files, written as the task writes, and a counter that wakes followers.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Most bytes kept of each of stdout and stderr unless the node says otherwise.
pub const DEFAULT_OUTPUT_LIMIT_BYTES: u64 = 1 << 30;

/// How much there is to read by now; changes with every write and closes when nothing more will come.
pub type OutputProgress = watch::Receiver<OutputSize>;

/// Bytes in the two files, and whether their limit cut anything off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputSize {
    /// Bytes in `stdout`.
    pub stdout_bytes: u64,
    /// Bytes in `stderr`.
    pub stderr_bytes: u64,
    /// Some of stdout was dropped.
    pub stdout_truncated: bool,
    /// Some of stderr was dropped.
    pub stderr_truncated: bool,
}

/// Appends to one of the two files. Clones write to the same file under the same limit.
#[derive(Debug, Clone)]
pub struct OutputWriter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stream: Stream,
    limit_bytes: u64,
    // Holds the file's size, so that concurrent writers neither tear the limit nor interleave inside a write.
    file: Mutex<(File, u64)>,
    progress: Arc<watch::Sender<OutputSize>>,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

impl OutputWriter {
    /// Opens `stdout` and `stderr` in `dir` for appending: a service that is started again goes on in its files, and
    /// what they hold counts against the limit.
    pub fn open(dir: &Path, limit_bytes: u64) -> io::Result<(Self, Self, OutputProgress)> {
        let (stdout, stdout_bytes) = open(&dir.join("stdout"))?;
        let (stderr, stderr_bytes) = open(&dir.join("stderr"))?;
        let size = OutputSize { stdout_bytes, stderr_bytes, ..OutputSize::default() };
        let (progress, seen) = watch::channel(size);
        let progress = Arc::new(progress);
        let writer = |stream, file, size| {
            let progress = Arc::clone(&progress);
            Self(Arc::new(Inner { stream, limit_bytes, file: Mutex::new((file, size)), progress }))
        };
        Ok((writer(Stream::Stdout, stdout, stdout_bytes), writer(Stream::Stderr, stderr, stderr_bytes), seen))
    }

    /// Writes what still fits under the limit, drops the rest, and tells followers. Fails only if the disk does.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut guard = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, size) = &mut *guard;
        let room = usize::try_from(self.0.limit_bytes.saturating_sub(*size)).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        file.write_all(kept)?;
        *size += kept.len() as u64;
        let (size, truncated) = (*size, kept.len() < bytes.len());
        self.0.progress.send_modify(|progress| progress.advance(self.0.stream, size, truncated));
        Ok(())
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

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_beyond_the_limit_is_dropped_and_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let (stdout, stderr, progress) = OutputWriter::open(dir.path(), 5).unwrap();
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
    fn a_restarted_task_goes_on_in_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let (stdout, ..) = OutputWriter::open(dir.path(), 4).unwrap();
        stdout.write(b"abc").unwrap();
        drop(stdout);
        let (stdout, _, progress) = OutputWriter::open(dir.path(), 4).unwrap();
        assert_eq!(progress.borrow().stdout_bytes, 3);
        stdout.write(b"def").unwrap();
        assert_eq!(std::fs::read(dir.path().join("stdout")).unwrap(), b"abcd");
    }

    #[tokio::test]
    async fn followers_see_the_end_when_the_last_writer_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (stdout, stderr, mut progress) = OutputWriter::open(dir.path(), 4).unwrap();
        stdout.write(b"abc").unwrap();
        progress.changed().await.unwrap();
        drop((stdout, stderr));
        assert!(progress.changed().await.is_err());
        assert_eq!(progress.borrow().stdout_bytes, 3);
    }
}
