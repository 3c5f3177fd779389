//! Trees of directories that tasks made. A task nests directories as deep as it likes, further than a path can say or a
//! stack can follow, so nothing here recurses.

use std::ffi::CStr;
use std::fs::{self, ReadDir};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Most directories inside one another in what is kept, published or unpacked.
pub const MAX_DEPTH: usize = 64;

/// Bytes of all files at or below `path`. Links count as nothing, and so does what may not be looked into. An error where
/// directories lie deeper than [`MAX_DEPTH`].
pub fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(if metadata.is_file() { metadata.len() } else { 0 });
    }
    let mut sum = 0;
    let mut open: Vec<ReadDir> = look_into(path)?.into_iter().collect();
    while let Some(directory) = open.last_mut() {
        let Some(entry) = directory.next().transpose()? else {
            open.pop();
            continue;
        };
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
            metadata => metadata?,
        };
        if metadata.is_dir() {
            if open.len() > MAX_DEPTH {
                return Err(too_deep());
            }
            open.extend(look_into(&entry.path())?);
        } else if metadata.is_file() {
            sum += metadata.len();
        }
    }
    Ok(sum)
}

fn look_into(directory: &Path) -> io::Result<Option<ReadDir>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        read => read.map(Some),
    }
}

fn too_deep() -> io::Error {
    let message = format!("more than {MAX_DEPTH} directories lie inside one another");
    io::Error::new(io::ErrorKind::InvalidFilename, message)
}

/// Removes a file or a directory with all below it, whichever it is, if it is there. Links are removed, not followed.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => empty(path).and_then(|()| fs::remove_dir(path)),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Removes what is in a directory, which is there. Directories in directories of it are moved up into it first, so no depth costs more
/// than three descriptors.
pub(crate) fn empty(path: &Path) -> io::Result<()> {
    let top = open(CWD, path)?;
    let mut moved_up = 0_u64;
    loop {
        let mut is_empty = true;
        each(&top, |name| {
            is_empty = false;
            if !is_removed(top.as_fd(), name)? {
                flatten(top.as_fd(), name, &mut moved_up)?;
            }
            Ok(())
        })?;
        // Reading a directory that changes may pass over something.
        if is_empty {
            return Ok(());
        }
    }
}

/// Removes the directory `name` of `top`, moving what it holds of directories that are not empty up beside it.
fn flatten(top: BorrowedFd<'_>, name: &CStr, moved_up: &mut u64) -> io::Result<()> {
    let directory = open(top, name)?;
    each(&directory, |below| {
        while !is_removed(directory.as_fd(), below)? {
            *moved_up += 1;
            match renameat(&directory, below, top, moved_up.to_string()) {
                Ok(()) => break,
                // The task gave something else this name.
                Err(Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })?;
    // What was passed over is found in the next round.
    is_removed(top, name).map(drop)
}

/// Whether this is gone now; not so a directory that holds something.
fn is_removed(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    let removed = match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => unlinkat(directory, name, AtFlags::REMOVEDIR),
        removed => removed,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn open(above: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(above, name, flags, Mode::empty())?)
}

fn each(directory: &OwnedFd, mut entry: impl FnMut(&CStr) -> io::Result<()>) -> io::Result<()> {
    for found in Dir::read_from(directory)? {
        let found = found?;
        let name = found.file_name();
        if name != c"." && name != c".." {
            entry(name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NAME: &str = "directory";

    /// Nests this many directories below `path`, whatever length of path that makes.
    pub(crate) fn nest(path: &Path, directories: usize) {
        let mut inner = open(CWD, path).unwrap();
        for _ in 0..directories {
            rustix::fs::mkdirat(&inner, NAME, Mode::RWXU).unwrap();
            inner = open(&inner, NAME).unwrap();
        }
    }

    /// The path of the innermost.
    pub(crate) fn nested(directories: usize) -> String {
        vec![NAME; directories].join("/")
    }

    #[test]
    fn no_nesting_is_too_deep_to_remove() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tree");
        fs::create_dir_all(path.join("1/full")).unwrap();
        fs::write(path.join("1/full/f"), "x").unwrap();
        fs::write(path.join("2"), "the name of what is moved up").unwrap();
        fs::create_dir(path.join("deep")).unwrap();
        nest(&path.join("deep"), 600);
        let tree = path.clone();
        let small = std::thread::Builder::new().stack_size(128 << 10);
        small.spawn(move || remove(&tree)).unwrap().join().unwrap().unwrap();
        assert!(!path.exists());
        remove(&path).unwrap();
    }

    #[test]
    fn what_a_link_leads_to_stays() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("kept"), "x").unwrap();
        let path = directory.path().join("tree/sub/sub");
        fs::create_dir_all(&path).unwrap();
        std::os::unix::fs::symlink(directory.path(), path.join("link")).unwrap();
        remove(&directory.path().join("tree")).unwrap();
        assert!(directory.path().join("kept").exists() && !directory.path().join("tree").exists());
    }

    #[test]
    fn sizes_are_told_up_to_the_greatest_depth() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        for file in ["f", "a/f", "a/b/f"] {
            fs::write(directory.path().join(file), vec![0; 10]).unwrap();
        }
        std::os::unix::fs::symlink("f", directory.path().join("a/link")).unwrap();
        nest(directory.path(), MAX_DEPTH);
        assert_eq!(size(directory.path()).unwrap(), 30);
        nest(&directory.path().join("a"), MAX_DEPTH);
        size(directory.path()).unwrap_err();
    }
}
