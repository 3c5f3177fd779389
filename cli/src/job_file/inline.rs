//! Files of this machine that a job takes along: `URL: file:PATH` in an inline source becomes the file's content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Bytes of all files together that one job can take along: more would not fit into a request of the API (10 MB) once
/// written as base64.
pub const MAX_BYTES: usize = 7_000_000;

/// Why a file does not come along.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("reading {path:?}, which the job takes along as inline data")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Too large together.
    #[error(
        "the files that the job takes along have more than {MAX_BYTES} bytes together; put large data where the nodes can \
         fetch it, such as a URL or S3"
    )]
    TooLarge,
}

/// Replaces each `file:` URL of inline sources, wherever they stand in the job. Paths are relative to `base`.
pub fn embed(job: &mut Value, base: &Path) -> Result<(), Error> {
    let mut left = MAX_BYTES;
    walk(job, base, &mut left)
}

/// A file, or a directory as a gzipped tar, as a data URL.
pub fn data_url(path: &Path) -> Result<String, Error> {
    let mut left = MAX_BYTES;
    read(path, &mut left)
}

fn walk(value: &mut Value, base: &Path, left: &mut usize) -> Result<(), Error> {
    if let Some(url) = inline_url(value) {
        let local = url.as_str().and_then(|text| text.strip_prefix("file:")).map(local_path);
        if let Some(path) = local {
            *url = Value::from(read(&base.join(path), left)?);
        }
        return Ok(());
    }
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(item, base, left)),
        Value::Object(entries) => entries.values_mut().try_for_each(|item| walk(item, base, left)),
        _ => Ok(()),
    }
}

/// The URL of an inline source, if the value is one.
fn inline_url(value: &mut Value) -> Option<&mut Value> {
    let is_inline = member(value, "Type")?.as_str()?.eq_ignore_ascii_case("inline");
    member(member(value, "Params").filter(|_| is_inline)?, "URL")
}

fn member<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let entries = value.as_object_mut()?;
    entries.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `file:x`, `file:/x` and `file:///x` are all understood.
fn local_path(rest: &str) -> &Path {
    Path::new(rest.strip_prefix("//").unwrap_or(rest))
}

fn read(path: &Path, left: &mut usize) -> Result<String, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    let (content, media_type) = if metadata.is_dir() {
        (pack(path).map_err(failed)?, "application/gzip")
    } else {
        if metadata.len() > *left as u64 {
            return Err(Error::TooLarge);
        }
        let content = fs::read(path).map_err(failed)?;
        let media_type =
            if content.starts_with(b"\0asm") { "application/wasm" } else { "application/octet-stream" };
        (content, media_type)
    };
    *left = left.checked_sub(content.len()).ok_or(Error::TooLarge)?;
    Ok(format!("data:{media_type};base64,{}", STANDARD.encode(content)))
}

fn pack(directory: &Path) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    tar.append_dir_all(".", directory)?;
    tar.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_are_embedded_wherever_an_inline_source_stands() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("m.wasm"), b"\0asm").unwrap();
        fs::write(directory.path().join("a.txt"), b"hi").unwrap();
        let mut job = json!({"Tasks": [{
            "engine": {"Params": {"EntryModule": {"source": {"type": "Inline", "params": {"url": "file:m.wasm"}}}}},
            "InputSources": [
                {"Source": {"Type": "inline", "Params": {"URL": "file:a.txt"}}},
                {"Source": {"Type": "inline", "Params": {"URL": "data:,x"}}},
                {"Source": {"Type": "urlDownload", "Params": {"URL": "file:a.txt"}}}
            ]
        }]});
        embed(&mut job, directory.path()).unwrap();
        let task = &job["Tasks"][0];
        let module = &task["engine"]["Params"]["EntryModule"]["source"]["params"]["url"];
        assert_eq!(module, "data:application/wasm;base64,AGFzbQ==");
        let urls: Vec<_> = (0..3).map(|n| &task["InputSources"][n]["Source"]["Params"]["URL"]).collect();
        assert_eq!(urls, ["data:application/octet-stream;base64,aGk=", "data:,x", "file:a.txt"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let mut job = json!({"Type": "inline", "Params": {"URL": "file:///no/such/file"}});
        let error = embed(&mut job, Path::new("/base")).unwrap_err();
        assert!(error.to_string().contains("\"/no/such/file\""), "{error}");
    }

    #[test]
    fn what_would_not_fit_into_a_request_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let large = directory.path().join("large");
        fs::File::create(&large).unwrap().set_len(MAX_BYTES as u64 + 1).unwrap();
        assert!(matches!(data_url(&large), Err(Error::TooLarge)));
    }

    #[test]
    fn directories_become_archives() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), b"hi").unwrap();
        let url = data_url(directory.path()).unwrap();
        let packed = STANDARD.decode(url.strip_prefix("data:application/gzip;base64,").unwrap()).unwrap();
        let out = tempfile::tempdir().unwrap();
        crate::archive::unpack(&packed[..], out.path(), None, crate::archive::Limits::RESULTS).unwrap();
        assert_eq!(fs::read(out.path().join("a")).unwrap(), b"hi");
    }
}
