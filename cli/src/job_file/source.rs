//! Where the text of a job comes from: a file, or standard input.

use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use crate::error::Advised;
use crate::output;

/// Longest job file, bytes: more would not fit into a request of the API.
const MAX_BYTES: u64 = 10_000_000;

/// The text of a job file, and the directory its relative paths begin at.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it was written.
    pub text: String,
    /// Directory of the file.
    pub base: PathBuf,
}

impl Source {
    /// Reads the file, or standard input when there is none or it is called `-`.
    pub fn read(file: Option<&Path>) -> Result<Self, Advised> {
        match file.filter(|path| *path != Path::new("-")) {
            Some(path) => {
                let name = format!("opening job file ({:?})", path.display().to_string());
                let failed = |error: io::Error| advised(&name, path, &error);
                let file = std::fs::File::open(path).map_err(failed)?;
                let text = decode(&name, bounded(file).map_err(failed)?)?;
                Ok(Self { text, base: path.parent().unwrap_or_else(|| Path::new("")).to_owned() })
            }
            None => {
                let name = "reading the job from standard input";
                if io::stdin().is_terminal() {
                    output::note("Reading from /dev/stdin; send Ctrl-d to stop.");
                }
                let bytes = bounded(io::stdin().lock())
                    .map_err(|error| Advised::new(format!("{name}: {error}"), "name a file instead"))?;
                Ok(Self { text: decode(name, bytes)?, base: PathBuf::new() })
            }
        }
    }
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn advised(name: &str, path: &Path, error: &io::Error) -> Advised {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    let hint = match error.kind() {
        io::ErrorKind::IsADirectory => "name a YAML or JSON file in it".to_owned(),
        _ if path.is_relative() => match std::env::current_dir() {
            Ok(here) => format!("the path is looked up from {}", here.display()),
            Err(_) => "the path is looked up from the current directory".to_owned(),
        },
        _ => "check the path and its permissions".to_owned(),
    };
    Advised::new(format!("{name}: {what}"), hint)
}

/// Text in UTF-8. Editors that put a byte order mark in front are forgiven.
fn decode(name: &str, bytes: Vec<u8>) -> Result<String, Advised> {
    if bytes.len() as u64 > MAX_BYTES {
        let hint = "put large data where the nodes can fetch it, such as a URL or S3";
        return Err(Advised::new(format!("{name}: more than {MAX_BYTES} bytes"), hint));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Advised::new(format!("{name}: the text is UTF-16"), "save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        Advised::new(format!("{name}: line {line} is not UTF-8 text"), "save the file as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        decode("x", bytes.to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn marks_are_forgiven_and_other_encodings_named() {
        assert_eq!(decode("x", b"\xef\xbb\xbfType: batch".to_vec()).unwrap(), "Type: batch");
        assert_eq!(problem(b"\xff\xfeT\0"), "x: the text is UTF-16");
        assert_eq!(problem(b"a: b\nc: \xe4"), "x: line 2 is not UTF-8 text");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let missing = Source::read(Some(Path::new("no/such.yaml"))).unwrap_err().to_string();
        assert_eq!(missing, "opening job file (\"no/such.yaml\"): no such file or directory");
        let directory = tempfile::tempdir().unwrap();
        let error = Source::read(Some(directory.path())).unwrap_err().to_string();
        assert!(error.ends_with("it is a directory"), "{error}");
    }
}
