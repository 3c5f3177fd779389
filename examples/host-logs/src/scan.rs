//! Finding and reading the files. What cannot be read is counted, never fatal; only a missing root is.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use flate2::bufread::MultiGzDecoder;

use crate::lines::Lines;
use crate::options::Options;
use crate::report::{Files, Report};
use crate::survey::{Source, Survey};
use crate::timestamp::Timestamp;

/// Reads everything below `options.root` in alphabetical order.
pub fn scan(options: &Options) -> Result<Report, ScanError> {
    let failed = |source| ScanError { root: options.root.clone(), source };
    let is_folder = fs::metadata(&options.root).map_err(failed)?.is_dir();
    let mut scan = Scan { options, survey: Survey::new(options), files: Files::default(), bytes: 0 };
    if is_folder {
        fs::read_dir(&options.root).map_err(failed)?;
        scan.folder(&options.root, 0);
    } else {
        scan.file(&options.root);
    }
    let root = options.root.display().to_string();
    Ok(scan.survey.into_report(root, scan.files, scan.bytes))
}

/// The place to scan cannot be read.
#[derive(Debug)]
pub struct ScanError {
    root: PathBuf,
    source: io::Error,
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (root, source) = (self.root.display(), &self.source);
        write!(
            f,
            "cannot read {root}: {source}; mount the log folder there as an input source or name another path"
        )
    }
}

impl error::Error for ScanError {}

struct Scan<'a> {
    options: &'a Options,
    survey: Survey<'a>,
    files: Files,
    bytes: u64,
}

impl Scan<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) {
        if depth > MAX_DEPTH {
            return self.skip("too deep");
        }
        let Ok(entries) = fs::read_dir(folder) else { return self.skip("unreadable") };
        let mut entries: Vec<_> =
            entries.flatten().map(|entry| (entry.file_name(), entry.file_type())).collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, kind) in entries {
            let path = folder.join(name);
            match kind {
                Ok(kind) if kind.is_dir() => self.folder(&path, depth + 1),
                Ok(kind) if kind.is_file() => self.file(&path),
                // What a link leads to is either outside or comes up by itself.
                Ok(kind) if kind.is_symlink() => self.skip("link"),
                Ok(_) => self.skip("special"),
                Err(_) => self.skip("unreadable"),
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let Ok(modified) = fs::metadata(path).and_then(|metadata| metadata.modified()) else {
            return self.skip("unreadable");
        };
        let modified = Timestamp::from(modified);
        if self.options.since.is_some_and(|since| modified < since) {
            return self.skip("older");
        }
        let Ok((text, is_gzip)) = open(path) else { return self.skip("unreadable") };
        let source = Source { unit: unit_of(path, &self.options.root), modified, last_time: None };
        let mut lines = Lines::new(text);
        match lines.peek() {
            Ok(block) if is_binary(block) => return self.skip("binary"),
            Ok(_) => {}
            Err(_) => return self.skip("unreadable"),
        }
        self.files.read += 1;
        self.files.gzip += u64::from(is_gzip);
        self.lines(lines, source);
    }

    fn lines(&mut self, mut lines: Lines<Box<dyn Read>>, mut source: Source) {
        loop {
            match lines.next_line() {
                Ok(Some(line)) => self.survey.add(line, &mut source),
                Ok(None) => break,
                Err(_) => {
                    self.files.damaged += 1;
                    break;
                }
            }
        }
        self.bytes += lines.bytes_read();
    }

    fn skip(&mut self, reason: &'static str) {
        *self.files.skipped.entry(reason).or_default() += 1;
    }
}

/// The text of a file, decompressed if its first bytes say that it is gzip, and whether it was.
fn open(path: &Path) -> io::Result<(Box<dyn Read>, bool)> {
    let mut file = BufReader::new(File::open(path)?);
    if file.fill_buf()?.starts_with(GZIP_MAGIC) {
        return Ok((Box::new(MultiGzDecoder::new(file)), true));
    }
    Ok((Box::new(file), false))
}

/// Text has no zero bytes; compressed, database and journal files have some at once.
fn is_binary(block: &[u8]) -> bool {
    memchr::memchr(0, &block[..block.len().min(SNIFF_BYTES)]).is_some() || block.starts_with(ZSTD_MAGIC)
}

/// `apt/history.log.2.gz` below the root is the unit `apt/history`.
fn unit_of(path: &Path, root: &Path) -> String {
    let inner = path.strip_prefix(root).ok().filter(|inner| !inner.as_os_str().is_empty());
    let name =
        inner.or_else(|| path.file_name().map(Path::new)).unwrap_or(path).to_string_lossy().into_owned();
    let mut stem = name.as_str();
    while let Some((before, suffix)) = stem.rsplit_once(['.', '-']) {
        let is_rotation = !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit());
        if before.is_empty() || !(is_rotation || ["gz", "log", "old"].contains(&suffix)) {
            break;
        }
        stem = before;
    }
    stem.to_owned()
}

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const SNIFF_BYTES: usize = 8 * 1024;
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_units_is_its_own() {
        for (path, unit) in [
            ("/logs/apt/history.log.2.gz", "apt/history"),
            ("/logs/syslog.1", "syslog"),
            ("/logs/app.log-20261121", "app"),
            ("/logs/dpkg.log", "dpkg"),
            ("/logs/.log", ".log"),
        ] {
            assert_eq!(unit_of(Path::new(path), Path::new("/logs")), unit);
        }
        assert_eq!(unit_of(Path::new("/var/log/dpkg.log"), Path::new("/var/log/dpkg.log")), "dpkg");
    }
}
