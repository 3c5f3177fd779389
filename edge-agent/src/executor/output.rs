//! Stdout and stderr of a task: two capped files, made and written as the task writes, and a counter that wakes
//! followers.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
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
    pub fn open(dir: &Path, limit_bytes: u64) -> io::Result<(Self, Self, OutputProgress)> {
        let (stdout, stderr) = (Appended::new(dir.join("stdout"))?, Appended::new(dir.join("stderr"))?);
        let size =
            OutputSize { stdout_bytes: stdout.size, stderr_bytes: stderr.size, ..OutputSize::default() };
        let (progress, seen) = watch::channel(size);
        let progress = Arc::new(progress);
        let writer = |stream, file| {
            let progress = Arc::clone(&progress);
            Self(Arc::new(Inner { stream, limit_bytes, file: Mutex::new(file), progress }))
        };
        Ok((writer(Stream::Stdout, stdout), writer(Stream::Stderr, stderr), seen))
    }

    /// Writes what still fits under the limit, drops the rest, and tells followers. Fails only if the disk does.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let room = usize::try_from(self.0.limit_bytes.saturating_sub(file.size)).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        file.append(kept)?;
        let (size, truncated) = (file.size, kept.len() < bytes.len());
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

/// A file that is opened, and made, when there is something to append.
#[derive(Debug)]
struct Appended {
    path: PathBuf,
    file: Option<File>,
    size: u64,
}

impl Appended {
    fn new(path: PathBuf) -> io::Result<Self> {
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self { path, file: None, size })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            unopened => unopened.insert(open(&self.path)?),
        };
        file.write_all(bytes)?;
        self.size += bytes.len() as u64;
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

    #[test]
    fn a_task_that_says_nothing_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("e-1");
        let (stdout, stderr, _) = OutputWriter::open(&results, 4).unwrap();
        stdout.write(b"").unwrap();
        assert!(!results.exists());
        stderr.write(b"x").unwrap();
        let files: Vec<_> = fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["stderr"]);
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
