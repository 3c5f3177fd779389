//! Input source `inline`: the data is in the job, or was and is now a blob of the control plane.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::data_url::InlineUrl;
use bacalhau_protocol::spec::inline::InlineSource;
use flate2::read::GzDecoder;
use futures_util::future::BoxFuture;

use super::{Blobs, Error, Prepared, Source};
use crate::durable;
use crate::executor::Access;

/// Bytes that an archive may unpack to: several times the largest module in use, and no danger to a small device.
const MAX_UNPACKED_BYTES: u64 = 256 * 1024 * 1024;
/// Entries an archive may hold.
const MAX_ENTRIES: usize = 10_000;

/// Data in the job.
pub(super) struct Inline {
    blobs: Arc<dyn Blobs>,
}

impl Inline {
    pub(super) fn new(blobs: Arc<dyn Blobs>) -> Self {
        Self { blobs }
    }
}

impl Source for Inline {
    fn kinds(&self) -> &'static [&'static str] {
        &["inline"]
    }

    fn is_local(&self) -> bool {
        // It travels with the job.
        true
    }

    fn check(&self, config: &SpecConfig) -> Result<(), Error> {
        InlineSource::parse(config).map(drop).map_err(Error::from)
    }

    fn prepare(&self, config: SpecConfig, directory: PathBuf) -> BoxFuture<'_, Result<Prepared, Error>> {
        Box::pin(async move {
            let source = InlineSource::parse(&config)?;
            let is_archive = source.is_archive();
            let content = match source.url {
                InlineUrl::Data(data) => Content::Bytes(data.bytes),
                InlineUrl::Blob(blob) => Content::File(self.blobs.fetch(blob).await.map_err(Error::Blob)?),
            };
            let placed = tokio::task::spawn_blocking(move || place(content, is_archive, &directory));
            let host = placed.await.map_err(|_| Error::Blob("the agent stops".to_owned()))??;
            Ok(Prepared { host, access: Access::ReadOnly })
        })
    }
}

enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

fn place(content: Content, is_archive: bool, directory: &Path) -> Result<PathBuf, Error> {
    let file = |action: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { action, path, source }
    };
    durable::create_directory(directory).map_err(file("making", directory))?;
    let host = directory.join("content");
    match (content, is_archive) {
        (Content::Bytes(bytes), false) => fs::write(&host, bytes).map_err(file("writing", &host))?,
        // A cached blob is mounted as it is.
        (Content::File(path), false) => return Ok(path),
        (Content::Bytes(bytes), true) => unpack(&bytes[..], &host)?,
        (Content::File(path), true) => {
            let archive = fs::File::open(&path).map_err(file("opening", &path))?;
            unpack(io::BufReader::new(archive), &host)?;
        }
    }
    Ok(host)
}

/// Unpacks a gzipped tar into `directory`, which is emptied first. Plain files and directories inside it, nothing else.
fn unpack(archive: impl Read, directory: &Path) -> Result<(), Error> {
    let file = |source| Error::File { action: "unpacking into", path: directory.to_owned(), source };
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(error)),
        _ => durable::create_directory(directory).map_err(file)?,
    }
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(MAX_UNPACKED_BYTES + 1));
    let mut unpacked = 0;
    for (number, entry) in archive.entries().map_err(file)?.enumerate() {
        let mut entry = entry.map_err(file)?;
        let path = entry.path().map_err(file)?.into_owned();
        let target = inside(directory, &path).filter(|_| number < MAX_ENTRIES);
        let target = target.ok_or_else(|| Error::Entry(path.display().to_string()))?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => durable::create_directory(&target).map_err(file)?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                unpacked += entry.size();
                if unpacked > MAX_UNPACKED_BYTES {
                    return Err(Error::TooLarge(MAX_UNPACKED_BYTES));
                }
                durable::create_directory(target.parent().unwrap_or(directory)).map_err(file)?;
                let mut out = fs::File::create(&target).map_err(file)?;
                io::copy(&mut entry, &mut out).map_err(file)?;
            }
            tar::EntryType::XGlobalHeader => {}
            _ => return Err(Error::Entry(path.display().to_string())),
        }
    }
    Ok(())
}

/// The place of an entry, if it lies inside. No link was ever unpacked, so its text decides.
fn inside(directory: &Path, path: &Path) -> Option<PathBuf> {
    let mut target = directory.to_owned();
    for part in path.components() {
        match part {
            Component::Normal(name) => target.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(target)
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::spec::data_url::BlobRef;
    use bacalhau_protocol::spec::inline::source;
    use flate2::write::GzEncoder;

    use super::*;

    struct OneBlob(PathBuf);

    impl Blobs for OneBlob {
        fn fetch(&self, _: BlobRef) -> BoxFuture<'_, Result<PathBuf, String>> {
            Box::pin(async { Ok(self.0.clone()) })
        }
    }

    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // `set_path` refuses what hostile archives hold.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_link_name("/etc").unwrap();
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    async fn prepare(config: SpecConfig, directory: &Path) -> Result<Prepared, Error> {
        let inline = Inline::new(Arc::new(OneBlob(directory.join("blob"))));
        inline.prepare(config, directory.join("input")).await
    }

    #[tokio::test]
    async fn plain_data_becomes_a_file_and_an_archive_a_directory() {
        let root = tempfile::tempdir().unwrap();
        let file = prepare(source("text/plain", b"hello".to_vec()), root.path()).await.unwrap();
        assert_eq!(fs::read(file.host).unwrap(), b"hello");
        fs::remove_dir_all(root.path().join("input")).unwrap();
        let bytes = archive(&[("a/b.txt", tar::EntryType::Regular, b"deep")]);
        for _ in 0..2 {
            let directory = prepare(source("application/gzip", bytes.clone()), root.path()).await.unwrap();
            assert_eq!(fs::read(directory.host.join("a/b.txt")).unwrap(), b"deep");
        }
    }

    #[tokio::test]
    async fn an_archive_never_leaves_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let hostile = [
            ("../evil", tar::EntryType::Regular),
            ("/evil", tar::EntryType::Regular),
            ("link", tar::EntryType::Symlink),
            ("hard", tar::EntryType::Link),
            ("device", tar::EntryType::Char),
        ];
        for (path, kind) in hostile {
            let bytes = archive(&[(path, kind, b"")]);
            let error = prepare(source("application/gzip", bytes), root.path()).await.unwrap_err();
            assert!(matches!(error, Error::Entry(_)), "{path}: {error}");
            assert!(!root.path().join("evil").exists() && !root.path().join("input/evil").exists());
        }
    }

    #[tokio::test]
    async fn what_is_no_archive_is_said_to_be_none() {
        let root = tempfile::tempdir().unwrap();
        let error = prepare(source("application/gzip", b"not gzip".to_vec()), root.path()).await.unwrap_err();
        assert!(error.to_string().contains("unpacking"), "{error}");
    }

    #[tokio::test]
    async fn a_blob_is_mounted_where_it_lies() {
        let root = tempfile::tempdir().unwrap();
        let blob = format!("blob:sha256:{};text/plain;5", "0".repeat(64));
        let params = serde_json::json!({ "URL": blob }).to_string();
        let config = SpecConfig { kind: "inline".to_owned(), params };
        assert_eq!(prepare(config, root.path()).await.unwrap().host, root.path().join("blob"));
    }
}
