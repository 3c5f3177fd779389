//! Writes a directory as one gzipped tar, in one pass over its files.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::vec;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::Error;
use crate::durable;
use crate::tree::MAX_DEPTH;

/// Most bytes of files in an archive of results.
pub const MAX_RESULT_BYTES: u64 = 8 << 30;
/// Most files and directories in an archive of results.
pub const MAX_RESULT_FILES: usize = 100_000;

/// SHA-256 and size of a file.
pub(super) type Described = ([u8; 32], u64);

/// Packs `directory` into the file `archive`, whole and durable, or not at all. Links are left out: they would lead
/// somewhere else on whatever machine they are unpacked.
pub(super) fn pack(directory: &Path, archive: &Path) -> Result<Described, Error> {
    let temporary = archive.with_added_extension("new");
    let mut open = OpenOptions::new();
    let file =
        open.write(true).create(true).truncate(true).mode(0o600).open(&temporary).map_err(Error::Write)?;
    let gzip = GzEncoder::new(Hashing::new(file), Compression::fast());
    let mut packer = Packer { builder: Builder::new(gzip), bytes: 0, files: 0 };
    let packed = packer.tree(directory).and_then(|()| packer.finish().map_err(Error::Write));
    let described = packed.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    durable::place(&temporary, archive).map_err(Error::Write)?;
    Ok(described)
}

/// Reads a file for what [`pack`] told of it.
pub(super) fn describe(archive: &Path) -> io::Result<Described> {
    let mut hashing = Hashing::new(io::sink());
    let size = io::copy(&mut BufReader::new(File::open(archive)?), &mut hashing)?;
    Ok((hashing.hash.finalize().into(), size))
}

struct Packer {
    builder: Builder<GzEncoder<Hashing<File>>>,
    bytes: u64,
    files: usize,
}

impl Packer {
    /// Everything below `directory`: what is in a directory comes right after it, in the order of names.
    fn tree(&mut self, directory: &Path) -> Result<(), Error> {
        let mut open = vec![(PathBuf::new(), self.list(directory)?)];
        while let Some((above, entries)) = open.last_mut() {
            let Some(entry) = entries.next() else {
                open.pop();
                continue;
            };
            let inside = above.join(entry.file_name());
            // Of the entry itself, never of what a link points to.
            let metadata = entry.metadata().map_err(Error::Write)?;
            if metadata.is_file() {
                self.file(&entry.path(), &inside)?;
            } else if metadata.is_dir() {
                if open.len() > MAX_DEPTH {
                    return Err(Error::TooDeep);
                }
                self.append(EntryType::Directory, 0, &metadata, &inside, io::empty())
                    .map_err(Error::Write)?;
                let below = self.list(&entry.path())?;
                open.push((inside, below));
            }
        }
        Ok(())
    }

    fn list(&mut self, directory: &Path) -> Result<vec::IntoIter<DirEntry>, Error> {
        let left = MAX_RESULT_FILES - self.files;
        let read = fs::read_dir(directory).and_then(|entries| entries.take(left + 1).collect());
        let mut entries: Vec<DirEntry> = read.map_err(Error::Write)?;
        if entries.len() > left {
            return Err(Error::TooMany);
        }
        self.files += entries.len();
        entries.sort_by_key(DirEntry::file_name);
        Ok(entries.into_iter())
    }

    fn file(&mut self, path: &Path, inside: &Path) -> Result<(), Error> {
        let file = File::open(path).map_err(Error::Write)?;
        let metadata = file.metadata().map_err(Error::Write)?;
        self.bytes = self.bytes.saturating_add(metadata.len());
        if self.bytes > MAX_RESULT_BYTES {
            return Err(Error::TooLarge);
        }
        // As many bytes as the header says, should the file change meanwhile.
        let content = file.chain(io::repeat(0)).take(metadata.len());
        self.append(EntryType::Regular, metadata.len(), &metadata, inside, content).map_err(Error::Write)
    }

    fn append(
        &mut self,
        kind: EntryType,
        size: u64,
        metadata: &fs::Metadata,
        inside: &Path,
        content: impl Read,
    ) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(metadata.permissions().mode() & 0o777);
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        self.builder.append_data(&mut header, inside, content)
    }

    fn finish(&mut self) -> io::Result<Described> {
        self.builder.finish()?;
        let gzip = self.builder.get_mut();
        gzip.try_finish()?;
        let hashing = gzip.get_mut();
        hashing.inner.sync_all()?;
        Ok((hashing.hash.clone().finalize().into(), hashing.size))
    }
}

/// Counts and hashes what passes through.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
