//! Archives that strangers packed, entry by entry in bounded memory.
//!
//! The `tar` crate reads whatever describes an entry (long names, PAX records) into memory whole, however large its header
//! says it is, and a few bytes of gzip can stand for gigabytes. So its raw entries are read, and put together here.

use std::ffi::OsStr;
use std::io::{self, Read, Take};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tar::{Archive, Entry, EntryType, PaxExtensions};

/// Most bytes of one description of an entry.
pub const MAX_DESCRIPTION_BYTES: u64 = 64 << 10;
/// Room for headers, descriptions and padding, bytes for each entry. It bounds time, not memory, so it is ample.
const ENTRY_ROOM_BYTES: u64 = 4 << 10;

/// An archive that ends, whatever it is unpacked from, when it has had room for so many entries and bytes of content.
pub fn bounded<R: Read>(tar: R, entries: u64, content_bytes: u64) -> Archive<Take<R>> {
    Archive::new(tar.take(content_bytes.saturating_add(entries.saturating_mul(ENTRY_ROOM_BYTES))))
}

/// The entries of an archive from which nothing has been read, each with all that describes it.
pub struct Entries<'a, R: Read>(tar::Entries<'a, R>);

/// A file, a directory, or whatever its header says.
pub struct Described<'a, R: Read> {
    /// Its path.
    pub name: PathBuf,
    /// Where it leads, if it is a link.
    pub link: Option<PathBuf>,
    /// Its header, and its content to read. Names are those above; sparse files are read as they are stored.
    pub entry: Entry<'a, R>,
}

impl<'a, R: Read> Entries<'a, R> {
    /// Begins to read.
    pub fn of(archive: &'a mut Archive<R>) -> io::Result<Self> {
        Ok(Self(archive.entries()?.raw(true)))
    }

    fn read(&mut self) -> io::Result<Option<Described<'a, R>>> {
        let mut said = Said::default();
        while let Some(mut entry) = self.0.next().transpose()? {
            match entry.header().entry_type() {
                EntryType::GNULongName => said.name = Some(long_name(&mut entry)?),
                EntryType::GNULongLink => said.link = Some(long_name(&mut entry)?),
                EntryType::XHeader => said.add(&description(&mut entry)?)?,
                // Of all that follow; none of it matters to whoever unpacks.
                EntryType::XGlobalHeader => {}
                _ => return said.of(entry).map(Some),
            }
        }
        if said == Said::default() { Ok(None) } else { Err(damaged("it describes an entry that is missing")) }
    }
}

impl<'a, R: Read> Iterator for Entries<'a, R> {
    type Item = io::Result<Described<'a, R>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// What was said of the next entry.
#[derive(Default, PartialEq, Eq)]
struct Said {
    name: Option<PathBuf>,
    link: Option<PathBuf>,
    size: Option<u64>,
}

impl Said {
    fn add(&mut self, records: &[u8]) -> io::Result<()> {
        for record in PaxExtensions::new(records) {
            let record = record?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => self.name = Some(path(value)),
                b"linkpath" => self.link = Some(path(value)),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or_else(|| damaged("it holds a size that is no number"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn of<R: Read>(self, entry: Entry<'_, R>) -> io::Result<Described<'_, R>> {
        // Where the header had no room for the size, somebody else would see other entries than we do.
        if self.size.is_some_and(|size| entry.header().entry_size().ok() != Some(size)) {
            return Err(damaged("it says two sizes of one entry"));
        }
        let name = self.name.unwrap_or_else(|| path(&entry.header().path_bytes()));
        let link = self.link.or_else(|| entry.header().link_name_bytes().map(|link| path(&link)));
        Ok(Described { name, link, entry })
    }
}

fn description(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MAX_DESCRIPTION_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_DESCRIPTION_BYTES {
        return Err(damaged("it describes an entry with more than 64 KiB"));
    }
    Ok(bytes)
}

fn long_name(entry: &mut impl Read) -> io::Result<PathBuf> {
    let bytes = description(entry)?;
    Ok(path(bytes.split(|byte| *byte == 0).next().unwrap_or_default()))
}

fn path(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_owned()
}

fn damaged(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    /// Name, link, content.
    type Found = (PathBuf, Option<PathBuf>, Vec<u8>);

    fn read(tar: &[u8]) -> io::Result<Vec<Found>> {
        let mut archive = bounded(tar, 10, 1 << 20);
        Entries::of(&mut archive)?
            .map(|described| {
                let Described { name, link, mut entry } = described?;
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Ok((name, link, content))
            })
            .collect()
    }

    fn header(kind: EntryType, size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header
    }

    fn append(builder: &mut Builder<Vec<u8>>, kind: EntryType, content: &[u8]) {
        let mut header = header(kind, content.len());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    #[test]
    fn names_come_from_wherever_they_fit() {
        let long = format!("{}/name", "directory".repeat(30));
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header(EntryType::Regular, 1), "short", &b"1"[..]).unwrap();
        builder.append_data(&mut header(EntryType::Regular, 1), &long, &b"2"[..]).unwrap();
        builder.append_link(&mut header(EntryType::Symlink, 0), "link", &long).unwrap();
        builder.append_pax_extensions([("path", &b"pax"[..]), ("size", b"1"), ("mtime", b"1.5")]).unwrap();
        append(&mut builder, EntryType::Regular, b"3");
        append(&mut builder, EntryType::XGlobalHeader, b"19 comment=whatever\n");
        builder.append_data(&mut header(EntryType::Regular, 1), "last", &b"4"[..]).unwrap();
        let entry = |name: &str, content: &[u8]| (PathBuf::from(name), None, content.to_vec());
        let expected = [
            entry("short", b"1"),
            entry(&long, b"2"),
            ("link".into(), Some(PathBuf::from(&long)), Vec::new()),
            entry("pax", b"3"),
            entry("last", b"4"),
        ];
        assert_eq!(read(&builder.into_inner().unwrap()).unwrap(), expected);
    }

    #[test]
    fn descriptions_without_end_are_refused() {
        let endless = vec![b'x'; usize::try_from(MAX_DESCRIPTION_BYTES).unwrap() + 1];
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let mut builder = Builder::new(Vec::new());
            append(&mut builder, kind, &endless);
            builder.append_data(&mut header(EntryType::Regular, 0), "f", &b""[..]).unwrap();
            let error = read(&builder.into_inner().unwrap()).unwrap_err();
            assert_eq!(error.to_string(), "it describes an entry with more than 64 KiB");
        }
    }

    #[test]
    fn descriptions_must_fit_what_follows() {
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([("size", &b"7"[..])]).unwrap();
        builder.append_data(&mut header(EntryType::Regular, 1), "f", &b"1"[..]).unwrap();
        let error = read(&builder.into_inner().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "it says two sizes of one entry");
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([("path", &b"f"[..])]).unwrap();
        let error = read(&builder.into_inner().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "it describes an entry that is missing");
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            let _ = read(&bytes);
        }
    }
}
