//! Unpacks what strangers packed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use crate::archive::{self, Described, Entries};
use crate::tree::MAX_DEPTH;

/// Most bytes of files in an archive (semantics.md 6.6).
pub const MAX_UNPACKED_BYTES: u64 = 10 << 20;
/// Most files and directories in an archive.
pub const MAX_UNPACKED_ENTRIES: u64 = 10_000;

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
    /// Deeper than a device follows.
    #[error("it holds more than {MAX_DEPTH} directories inside one another")]
    TooDeep,
}

/// Unpacks a gzipped tar into `directory`, which does not exist yet.
pub(super) fn unpack(archive: impl Read, directory: &Path) -> Result<(), Error> {
    let tar = GzDecoder::new(archive);
    let mut archive = archive::bounded(tar, MAX_UNPACKED_ENTRIES, MAX_UNPACKED_BYTES);
    make_one(directory)?;
    let mut unpacker = Unpacker { directory, bytes: 0, entries: 0 };
    let unpacked = unpacker.all(&mut archive);
    // What was cut off looks like damage.
    if unpacked.is_err() && archive.into_inner().limit() == 0 { Err(Error::TooLarge) } else { unpacked }
}

struct Unpacker<'a> {
    directory: &'a Path,
    bytes: u64,
    entries: u64,
}

impl Unpacker<'_> {
    fn all(&mut self, archive: &mut Archive<impl Read>) -> Result<(), Error> {
        for described in Entries::of(archive)? {
            let Described { name, mut entry, .. } = described?;
            let path = inside(&name)?;
            match entry.header().entry_type() {
                EntryType::Directory => self.make(&path)?,
                EntryType::Regular | EntryType::Continuous => {
                    let executable = entry.header().mode()? & 0o100;
                    self.write(&mut entry, &path, executable | 0o600)?;
                }
                _ => return Err(Error::Kind(name)),
            }
        }
        Ok(())
    }

    fn write(&mut self, entry: &mut impl Read, path: &Path, mode: u32) -> Result<(), Error> {
        if let Some(parent) = path.parent() {
            self.make(parent)?;
        }
        self.count()?;
        let mut open = OpenOptions::new();
        let mut file =
            open.write(true).create(true).truncate(true).mode(mode).open(self.directory.join(path))?;
        let left = MAX_UNPACKED_BYTES - self.bytes;
        let written = io::copy(&mut entry.take(left + 1), &mut file)?;
        if written > left {
            return Err(Error::TooLarge);
        }
        self.bytes += written;
        Ok(())
    }

    /// Makes a directory and those above it; each that is new counts.
    fn make(&mut self, path: &Path) -> Result<(), Error> {
        let mut made = self.directory.to_owned();
        for name in path {
            made.push(name);
            if make_one(&made)? {
                self.count()?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > MAX_UNPACKED_ENTRIES { Err(Error::TooMany) } else { Ok(()) }
    }
}

/// Whether it was not there before.
fn make_one(directory: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::metadata(directory)?.is_dir() => {
            Ok(false)
        }
        outcome => outcome.map(|()| true),
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
    if path.components().count() > MAX_DEPTH { Err(Error::TooDeep) } else { Ok(path) }
}
