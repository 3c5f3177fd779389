//! Where something shown to a task is on the node.
//!
//! Data that comes with a job is at first a file only in name: most of it is a module, which is read once and never
//! looked at again, and making a file and removing it costs a flash chip more than reading it.

use std::borrow::Cow;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags};

/// A path of the node, or a plain file that gets there when somebody needs it as a file.
#[derive(Clone, Debug)]
pub enum HostPath {
    /// It is there, in a directory of the agent's own.
    There(PathBuf),
    /// It is there, where others may put something else in its place at any time. What was checked is kept hold of.
    Pinned {
        /// Where it was, links resolved.
        path: PathBuf,
        /// The thing itself.
        held: Arc<OwnedFd>,
    },
    /// It is not there yet.
    Unmade {
        /// The path that nothing else has.
        path: PathBuf,
        /// What it will hold.
        content: Content,
    },
}

/// What a file will hold.
#[derive(Clone, Debug)]
pub enum Content {
    /// Some bytes.
    Bytes(Bytes),
    /// What a file of a cache holds. It stays readable here when the cache drops it.
    Cached {
        /// Its name in the cache.
        path: PathBuf,
        /// The file.
        file: Arc<File>,
    },
}

impl HostPath {
    /// Takes hold of what is at `path`, which must lead there without a link. Blocks on the disk.
    pub fn pin(path: PathBuf) -> io::Result<Self> {
        let held = rustix::fs::open(&path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&held)?.st_mode) == FileType::Symlink {
            return Err(replaced());
        }
        let pinned = Self::Pinned { path, held: Arc::new(held) };
        pinned.check()?;
        Ok(pinned)
    }

    /// Whether its name still leads to it, for those who can only be given the name.
    pub fn check(&self) -> io::Result<()> {
        match self {
            Self::Pinned { path, .. } if fs::read_link(self.access())? != *path => Err(replaced()),
            _ => Ok(()),
        }
    }

    /// The path by which this process gets at it, whatever became of its name.
    pub fn access(&self) -> Cow<'_, Path> {
        match self {
            Self::There(path) | Self::Unmade { path, .. } => path.into(),
            // Opening this opens the thing itself (proc_pid_fd(5)); reading it as a link tells where that is now.
            Self::Pinned { held, .. } => PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd())).into(),
        }
    }

    /// Where it is, or would be: what tells it from others.
    pub fn name(&self) -> &Path {
        match self {
            Self::There(path) | Self::Pinned { path, .. } | Self::Unmade { path, .. } => path,
        }
    }

    /// A path that is there, made now if need be, anew each time. Blocks on the disk.
    pub fn make(&self) -> io::Result<&Path> {
        if let Self::Unmade { path, content } = self {
            start_afresh(path)?;
            content.place(path)?;
        }
        Ok(self.name())
    }
}

impl From<PathBuf> for HostPath {
    fn from(path: PathBuf) -> Self {
        Self::There(path)
    }
}

impl Content {
    /// How much it is.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::Cached { file, .. } => Ok(file.metadata()?.len()),
        }
    }

    /// All of it, in memory.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Cached { file, .. } => {
                let size = usize::try_from(self.size()?).map_err(io::Error::other)?;
                let mut bytes = vec![0; size];
                file.read_exact_at(&mut bytes, 0)?;
                Ok(bytes.into())
            }
        }
    }

    /// Makes the new file `at`, in a directory that is there. A second name for a cached file costs no space.
    pub fn place(&self, at: &Path) -> io::Result<()> {
        if let Self::Cached { path, .. } = self
            && fs::hard_link(path, at).is_ok()
        {
            return Ok(());
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(at)?;
        file.write_all(&self.bytes()?)
    }
}

fn replaced() -> io::Error {
    io::Error::other("it was moved or replaced after it was checked")
}

/// Removes whatever an interrupted attempt left at `path`, and makes the directories above it.
pub(crate) fn start_afresh(path: &Path) -> io::Result<()> {
    crate::tree::remove(path)?;
    match path.parent() {
        Some(parent) => DirBuilder::new().recursive(true).mode(0o700).create(parent),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmade(path: PathBuf, content: Content) -> HostPath {
        HostPath::Unmade { path, content }
    }

    #[test]
    fn a_file_is_made_when_it_is_needed_and_anew_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("e-1/input");
        let file = unmade(path.clone(), Content::Bytes("text".into()));
        assert_eq!(file.name(), path);
        assert!(!path.exists());
        for _ in 0..2 {
            assert_eq!(fs::read(file.make().unwrap()).unwrap(), b"text");
            fs::write(&path, "spoilt").unwrap();
        }
    }

    #[test]
    fn what_is_pinned_stays_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (checked, elsewhere) = (root.join("checked"), root.join("elsewhere"));
        for (path, text) in [(&checked, "granted"), (&elsewhere, "secret")] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("f"), text).unwrap();
        }
        let pinned = HostPath::pin(checked.clone()).unwrap();
        pinned.check().unwrap();
        fs::rename(&checked, root.join("moved")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &checked).unwrap();
        pinned.check().unwrap_err();
        assert_eq!(fs::read(pinned.access().join("f")).unwrap(), b"granted");
        HostPath::pin(checked.clone()).unwrap_err();
        HostPath::pin(checked.join("f")).unwrap_err();
    }

    #[test]
    fn a_cached_file_is_linked_and_outlives_its_name_in_the_cache() {
        let directory = tempfile::tempdir().unwrap();
        let cached = directory.path().join("cached");
        fs::write(&cached, "text").unwrap();
        let file = Arc::new(File::open(&cached).unwrap());
        let content = Content::Cached { path: cached.clone(), file };
        content.place(&directory.path().join("link")).unwrap();
        fs::remove_file(&cached).unwrap();
        assert_eq!(content.bytes().unwrap(), "text");
        for name in ["link", "copy"] {
            let at = directory.path().join(name);
            if name == "copy" {
                content.place(&at).unwrap();
            }
            assert_eq!(fs::read(at).unwrap(), b"text", "{name}");
        }
    }
}
