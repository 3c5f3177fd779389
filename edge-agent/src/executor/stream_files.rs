//! The files of stdout or stderr. One has the stream's name and is written. Where only the last output is kept, what came
//! before is in a second one, which says in its name after how many bytes it ends; there the first one begins. So a
//! position in the stream stays what it is, whoever starts again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Names of the streams.
const STREAMS: [&str; 2] = ["stdout", "stderr"];
/// Between the stream's name and where it ends, in the name of the second file.
const BEFORE: &str = ".before-";

/// Whether a name among the results is that of a stream's file.
pub(crate) fn is_streams(name: &str) -> bool {
    STREAMS.iter().any(|stream| {
        name.strip_prefix(stream).is_some_and(|rest| rest.is_empty() || rest.starts_with(BEFORE))
    })
}

/// Where a stream is kept.
#[derive(Clone, Debug)]
pub(crate) struct StreamFiles {
    directory: PathBuf,
    stream: &'static str,
}

/// One of the two files.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) file: File,
    /// Where in the stream it begins.
    pub(crate) start: u64,
}

impl StreamFiles {
    pub(crate) fn stdout(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), stream: STREAMS[0] }
    }

    pub(crate) fn stderr(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), stream: STREAMS[1] }
    }

    /// The file that is written. It need not be there.
    pub(crate) fn current(&self) -> PathBuf {
        self.directory.join(self.stream)
    }

    /// Where in the stream the current file begins.
    pub(crate) fn base(&self) -> io::Result<u64> {
        Ok(self.ends()?.into_iter().max().unwrap_or(0))
    }

    /// Bytes in the current file.
    pub(crate) fn size(&self) -> io::Result<u64> {
        match fs::metadata(self.current()) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The file that has what comes at `position` of the stream; the oldest one if that is gone. `None` where nothing was
    /// written.
    pub(crate) fn open_at(&self, position: u64) -> io::Result<Option<Part>> {
        loop {
            let base = self.base()?;
            let path = if position < base { self.before(base) } else { self.current() };
            let opened = match File::open(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            // Else it was moved on between looking and opening.
            if self.base()? == base {
                let Some(file) = opened else { return Ok(None) };
                let start = if position < base { base - file.metadata()?.len() } else { base };
                return Ok(Some(Part { file, start }));
            }
        }
    }

    /// Begins a new current file at `end` of the stream, where the old one ends, and removes what came before that.
    /// Tells whether there was anything.
    pub(crate) fn move_on(&self, end: u64) -> io::Result<bool> {
        fs::rename(self.current(), self.before(end))?;
        let older: Vec<_> = self.ends()?.into_iter().filter(|other| *other < end).collect();
        older.iter().try_for_each(|older| fs::remove_file(self.before(*older)))?;
        Ok(!older.is_empty())
    }

    fn before(&self, end: u64) -> PathBuf {
        self.directory.join(format!("{}{BEFORE}{end}", self.stream))
    }

    /// Where files that are not current end; more than one if the agent died while it moved on.
    fn ends(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let end = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_prefix(self.stream)?.strip_prefix(BEFORE)?.parse().ok()
        };
        Ok(entries.filter_map(end).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn each_position_is_found_however_often_files_were_moved_on() {
        let directory = tempfile::tempdir().unwrap();
        let files = StreamFiles::stdout(directory.path());
        assert!(files.open_at(0).unwrap().is_none());
        let read = |position| {
            files.open_at(position).unwrap().map(|Part { mut file, start }| {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                (start, text)
            })
        };
        fs::write(files.current(), "abc").unwrap();
        assert!(!files.move_on(3).unwrap());
        assert_eq!((files.base().unwrap(), files.size().unwrap(), read(3)), (3, 0, None));
        fs::write(files.current(), "de").unwrap();
        assert_eq!((read(2), read(3)), (Some((0, "abc".into())), Some((3, "de".into()))));
        assert!(files.move_on(5).unwrap());
        assert_eq!(read(0), Some((3, "de".into())), "what is left of it");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_of_its_files_are_known() {
        assert!(["stdout", "stderr", "stdout.before-12"].into_iter().all(is_streams));
        assert!(["stdout.txt", "std", "out"].into_iter().all(|name| !is_streams(name)));
    }
}
