//! Results as one file: a gzipped tar whose bytes depend on the results alone, not on when or where it was made.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// What was written.
pub(super) struct Written {
    pub(super) size: u64,
    pub(super) hash: [u8; 32],
}

/// Packs `directory` into `path` and syncs it. Links and special files are left out: they mean nothing elsewhere.
pub(super) fn write(directory: &Path, path: &Path) -> io::Result<Written> {
    let file = File::create(path)?;
    let hashing = Hashing { inner: BufWriter::new(&file), hash: Sha256::new(), size: 0 };
    let mut builder = tar::Builder::new(GzEncoder::new(hashing, Compression::fast()));
    append(&mut builder, directory, Path::new(""))?;
    let mut hashing = builder.into_inner()?.finish()?;
    hashing.flush()?;
    let written = Written { size: hashing.size, hash: hashing.hash.clone().finalize().into() };
    drop(hashing);
    file.sync_all()?;
    Ok(written)
}

fn append(builder: &mut tar::Builder<impl Write>, root: &Path, relative: &Path) -> io::Result<()> {
    let mut names: Vec<_> =
        fs::read_dir(root.join(relative))?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let relative = relative.join(name);
        let path = root.join(&relative);
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            builder.append_data(&mut header(tar::EntryType::Directory, 0, 0o755), &relative, io::empty())?;
            append(builder, root, &relative)?;
        } else if metadata.is_file() {
            let content = File::open(&path)?;
            let size = content.metadata()?.len();
            let mut header = header(tar::EntryType::Regular, size, 0o644);
            builder.append_data(&mut header, &relative, io::Read::take(content, size))?;
        }
    }
    Ok(())
}

fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Hashes what passes through.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
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
