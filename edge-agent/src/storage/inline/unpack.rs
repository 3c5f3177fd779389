//! Unpacks what strangers packed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

/// Most bytes of files in an archive (semantics.md 6.6).
pub const MAX_UNPACKED_BYTES: u64 = 10 << 20;
/// Most files and directories in an archive.
pub const MAX_UNPACKED_ENTRIES: usize = 10_000;

/// Why an archive is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No gzip, no tar, or no disk.
    #[error("it cannot be read or written")]
    Io(#[from] io::Error),
    /// An entry would land outside the directory.
    #[error("its entry {0:?} leads out of the directory")]
    Escapes(PathBuf),
    /// Links and devices have no place in inline data.
    #[error("its entry {0:?} is neither a file nor a directory")]
    Kind(PathBuf),
    /// More than a device should take.
    #[error("it holds more than {MAX_UNPACKED_BYTES} bytes")]
    TooLarge,
    /// More than a device should take.
    #[error("it holds more than {MAX_UNPACKED_ENTRIES} entries")]
    TooMany,
}

/// Unpacks a gzipped tar into `directory`, which does not exist yet.
pub(super) fn unpack(archive: impl Read, directory: &Path) -> Result<(), Error> {
    make(directory)?;
    let mut left = MAX_UNPACKED_BYTES;
    let mut archive = Archive::new(GzDecoder::new(archive));
    for (position, entry) in archive.entries()?.enumerate() {
        if position >= MAX_UNPACKED_ENTRIES {
            return Err(Error::TooMany);
        }
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let path = directory.join(inside(&name)?);
        match entry.header().entry_type() {
            EntryType::Directory => make(&path)?,
            EntryType::Regular | EntryType::Continuous => {
                let executable = entry.header().mode()? & 0o100;
                left -= write(&mut entry, &path, executable | 0o600, left)?;
            }
            EntryType::XGlobalHeader => {}
            _ => return Err(Error::Kind(name)),
        }
    }
    Ok(())
}

fn write(entry: &mut impl Read, path: &Path, mode: u32, limit: u64) -> Result<u64, Error> {
    if let Some(parent) = path.parent() {
        make(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    let written = io::copy(&mut entry.take(limit + 1), &mut file)?;
    if written > limit { Err(Error::TooLarge) } else { Ok(written) }
}

fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::metadata(directory)?.is_dir() => {
            Ok(())
        }
        outcome => outcome,
    }
}

fn inside(name: &Path) -> Result<PathBuf, Error> {
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(Error::Escapes(name.to_owned())),
        }
    }
    Ok(path)
}
