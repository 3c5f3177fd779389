//! Unpacks a gzipped tar into an empty directory. Nothing in the archive can write, or later point, outside of it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use bacalhau_agent::archive::{self, Described, Entries};
use bacalhau_agent::tree::MAX_DEPTH;
use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

/// How much an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

impl Limits {
    /// Enough for any result a device can hold, and an end for an archive made to fill a disk.
    pub const RESULTS: Self = Self { total_bytes: 100 * 1000 * 1000 * 1000, entries: 1_000_000 };
}

/// A file in the innermost directory that a device publishes.
const MAX_COMPONENTS: usize = MAX_DEPTH + 1;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Files written.
    pub files: u64,
    /// Entries that were not written, with the reason.
    pub left_out: Vec<String>,
}

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a gzipped tar, or cut short.
    #[error("the archive is damaged")]
    Damaged(#[source] io::Error),
    /// Absolute, or with `..` in it.
    #[error("the archive holds {path:?}, which would lie outside of the results")]
    OutsidePath {
        /// The path in the archive.
        path: PathBuf,
    },
    /// More than the limit.
    #[error("the archive holds more than {0} files and directories")]
    TooManyEntries(u64),
    /// Deeper than any device nests them.
    #[error("the archive holds more than {MAX_DEPTH} directories inside one another")]
    TooDeep,
    /// More than the limit.
    #[error("the archive unpacks to more than {0} bytes")]
    TooManyBytes(u64),
    /// The disk said no.
    #[error("writing {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Unpacks `archive` into `directory`, which exists and is empty. With `only`, just this path and what is below it.
pub fn unpack(
    archive: impl Read,
    directory: &Path,
    only: Option<&Path>,
    limits: Limits,
) -> Result<Unpacked, Error> {
    let mut unpacker =
        Unpacker { directory, only, limits, bytes: 0, links: Vec::new(), unpacked: Unpacked::default() };
    let mut archive = archive::bounded(MultiGzDecoder::new(archive), limits.entries, limits.total_bytes);
    let unpacked = unpacker.all(&mut archive);
    // What was cut off looks like damage.
    if unpacked.is_err() && archive.into_inner().limit() == 0 {
        return Err(Error::TooManyBytes(limits.total_bytes));
    }
    unpacked?;
    unpacker.finish()
}

struct Unpacker<'a> {
    directory: &'a Path,
    only: Option<&'a Path>,
    limits: Limits,
    bytes: u64,
    /// Made last, so that no file is ever written through one.
    links: Vec<(PathBuf, PathBuf)>,
    unpacked: Unpacked,
}

impl Unpacker<'_> {
    fn all(&mut self, archive: &mut Archive<impl Read>) -> Result<(), Error> {
        for (number, described) in (1..).zip(Entries::of(archive).map_err(Error::Damaged)?) {
            if number > self.limits.entries {
                return Err(Error::TooManyEntries(self.limits.entries));
            }
            self.entry(described.map_err(Error::Damaged)?)?;
        }
        Ok(())
    }

    fn entry<R: Read>(&mut self, described: Described<'_, R>) -> Result<(), Error> {
        let Described { name, link, mut entry } = described;
        let path = inside(&name).ok_or(Error::OutsidePath { path: name })?;
        if path.components().count() > MAX_COMPONENTS {
            return Err(Error::TooDeep);
        }
        if self.only.is_some_and(|only| !path.starts_with(only)) {
            return Ok(());
        }
        match entry.header().entry_type() {
            EntryType::Directory => make_directory(&self.directory.join(&path)),
            EntryType::Regular | EntryType::Continuous => self.file(&path, &mut entry),
            EntryType::Symlink => {
                self.link(path, link.unwrap_or_default());
                Ok(())
            }
            EntryType::XGlobalHeader => Ok(()),
            _ => {
                self.unpacked
                    .left_out
                    .push(format!("{}: neither a file, a directory nor a symbolic link", path.display()));
                Ok(())
            }
        }
    }

    fn file(&mut self, path: &Path, entry: &mut impl Read) -> Result<(), Error> {
        let path = self.directory.join(path);
        if let Some(parent) = path.parent() {
            make_directory(parent)?;
        }
        let mut file =
            File::create_new(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        let left = self.limits.total_bytes - self.bytes;
        // One byte more than allowed tells a file that just fits from one that does not.
        let copied = io::copy(&mut entry.take(left.saturating_add(1)), &mut file)
            .map_err(|source| Error::Write { path, source })?;
        if copied > left {
            return Err(Error::TooManyBytes(self.limits.total_bytes));
        }
        self.bytes += copied;
        self.unpacked.files += 1;
        Ok(())
    }

    fn link(&mut self, path: PathBuf, target: PathBuf) {
        if stays_inside(&path, &target) {
            self.links.push((path, target));
        } else {
            let entry = format!("{} -> {}: the link leaves the results", path.display(), target.display());
            self.unpacked.left_out.push(entry);
        }
    }

    fn finish(mut self) -> Result<Unpacked, Error> {
        for (path, target) in std::mem::take(&mut self.links) {
            let path = self.directory.join(path);
            make_link(&target, &path).map_err(|source| Error::Write { path, source })?;
        }
        Ok(self.unpacked)
    }
}

fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

#[cfg(unix)]
fn make_link(target: &Path, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn make_link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The path without `.`; `None` when it is absolute, goes up, or is empty of names that may be written.
fn inside(name: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// Whether a link at `path` points to something in the archive. Directories on the way may be links themselves, so `..` is
/// taken only at the front, where it climbs real directories.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let depth = path.components().count().saturating_sub(1);
    let climbs = target.components().take_while(|part| *part == Component::ParentDir).count();
    let rest_is_plain =
        target.components().skip(climbs).all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    climbs <= depth && rest_is_plain && target.components().next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    /// Writes names as they are: the builder of the `tar` crate refuses hostile ones.
    fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (kind, name, content) in entries {
            let mut header = Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            let data = if *kind == EntryType::Regular { *content } else { "" };
            if !matches!(kind, EntryType::Regular | EntryType::Directory) {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    const FILE: EntryType = EntryType::Regular;
    const LINK: EntryType = EntryType::Symlink;
    const SMALL: Limits = Limits { total_bytes: 10, entries: 3 };

    fn run(
        entries: &[(EntryType, &str, &str)],
        only: Option<&Path>,
    ) -> (tempfile::TempDir, Result<Unpacked, Error>) {
        let directory = tempfile::tempdir().unwrap();
        let result = unpack(&archive(entries)[..], directory.path(), only, SMALL);
        (directory, result)
    }

    #[test]
    fn files_and_directories_land_below_the_directory() {
        let (directory, result) = run(
            &[(EntryType::Directory, "outputs/", ""), (FILE, "./outputs/a", "hi"), (FILE, "stdout", "x")],
            None,
        );
        assert_eq!(result.unwrap(), Unpacked { files: 2, left_out: vec![] });
        assert_eq!(fs::read_to_string(directory.path().join("outputs/a")).unwrap(), "hi");
    }

    #[test]
    fn one_path_can_be_chosen() {
        let (directory, result) =
            run(&[(FILE, "outputs/a", "hi"), (FILE, "stdout", "x")], Some(Path::new("outputs")));
        assert_eq!(result.unwrap().files, 1);
        assert!(!directory.path().join("stdout").exists());
    }

    #[test]
    fn paths_that_leave_are_refused() {
        for name in ["/etc/passwd", "../x", "a/../../x", "a/.."] {
            let (_keep, result) = run(&[(FILE, name, "x")], None);
            assert!(matches!(result, Err(Error::OutsidePath { .. })), "{name}: {result:?}");
        }
    }

    #[test]
    fn links_may_point_inside_only() {
        assert!(stays_inside(Path::new("a/b/link"), Path::new("../c/file")));
        assert!(stays_inside(Path::new("link"), Path::new("outputs/file")));
        for (path, target) in [
            ("link", "/etc/passwd"),
            ("link", "../x"),
            ("a/link", "../../x"),
            ("a/link", "b/../../../x"),
            ("link", "a/.."),
        ] {
            assert!(!stays_inside(Path::new(path), Path::new(target)), "{path} -> {target}");
        }
    }

    #[test]
    fn a_link_that_leaves_is_left_out_and_named() {
        let (directory, result) =
            run(&[(LINK, "here", "stdout"), (LINK, "away", "/etc/passwd"), (FILE, "stdout", "x")], None);
        assert_eq!(result.unwrap().left_out, ["away -> /etc/passwd: the link leaves the results"]);
        assert!(!directory.path().join("away").exists());
        assert_eq!(fs::read_to_string(directory.path().join("here")).unwrap(), "x");
    }

    #[test]
    fn no_file_is_written_through_a_link() {
        let (directory, result) = run(&[(LINK, "d", "e"), (FILE, "d/f", "x")], None);
        assert!(matches!(result, Err(Error::Write { .. })), "{result:?}");
        assert!(!directory.path().join("e").exists());
    }

    #[test]
    fn hard_links_and_devices_are_left_out() {
        let (_keep, result) = run(&[(EntryType::Link, "a", "/etc/passwd"), (EntryType::Char, "b", "")], None);
        assert_eq!(result.unwrap().left_out.len(), 2);
    }

    #[test]
    fn limits_hold() {
        let (_keep, result) = run(&[(FILE, "a", "12345"), (FILE, "b", "12345")], None);
        assert_eq!(result.unwrap().files, 2);
        let (_keep, result) = run(&[(FILE, "a", "12345"), (FILE, "b", "123456")], None);
        assert!(matches!(result, Err(Error::TooManyBytes(10))));
        let (_keep, result) =
            run(&[(FILE, "a", ""), (FILE, "b", ""), (FILE, "c", ""), (FILE, "d", "")], None);
        assert!(matches!(result, Err(Error::TooManyEntries(3))));
    }

    #[test]
    fn what_describes_an_entry_is_bounded_too() {
        let long = |length: usize| {
            let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
            let mut header = Header::new_gnu();
            header.set_size(0);
            builder.append_data(&mut header, "d/".repeat(length), &b""[..]).unwrap();
            builder.into_inner().unwrap().finish().unwrap()
        };
        let directory = tempfile::tempdir().unwrap();
        let run = |archive: &[u8]| unpack(archive, directory.path(), None, Limits::RESULTS);
        assert_eq!(run(&long(MAX_COMPONENTS)).unwrap().files, 1);
        assert!(matches!(run(&long(MAX_COMPONENTS + 1)), Err(Error::TooDeep)));
        assert!(matches!(run(&long(100_000)), Err(Error::Damaged(_))));
        let cut_off = unpack(&long(20_000)[..], directory.path(), None, SMALL);
        assert!(matches!(cut_off, Err(Error::TooManyBytes(10))), "{cut_off:?}");
    }

    #[test]
    fn damage_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(unpack(&b"not gzip"[..], directory.path(), None, SMALL), Err(Error::Damaged(_))));
        let mut cut = archive(&[(FILE, "a", "12345")]);
        cut.truncate(cut.len() / 2);
        assert!(unpack(&cut[..], directory.path(), None, SMALL).is_err());
    }
}
