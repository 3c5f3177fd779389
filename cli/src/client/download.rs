//! Fetches result archives: resumed where an earlier attempt ended, checked before they count.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use reqwest::{Method, Response, StatusCode, Url, header};
use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Client, Error};
use crate::output::meter::Meter;

/// An archive somewhere on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteArchive {
    /// Where it is.
    pub url: Url,
    /// Lowercase hex, when it is known.
    pub sha256: Option<String>,
    /// Bytes, when it is known.
    pub size: Option<u64>,
}

/// Attempts in a row that bring nothing before a download is given up.
const FRUITLESS_ATTEMPTS: u32 = 3;
/// Largest archive that is accepted, bytes.
const MAX_ARCHIVE_BYTES: u64 = 100 * 1000 * 1000 * 1000;
/// Read at a time while the checksum is taken, bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why an archive is not here.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server or the way to it.
    #[error(transparent)]
    Call(#[from] Error),
    /// The disk of this machine.
    #[error("writing {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What arrived is not what was published; it was thrown away.
    #[error("the archive is damaged: its SHA-256 is {found}, but {expected} was published")]
    Checksum {
        /// As published.
        expected: String,
        /// As it arrived.
        found: String,
    },
    /// What arrived has another size than announced; it was thrown away.
    #[error("the archive is damaged: it has {found} bytes, but {expected} were published")]
    Size {
        /// As published.
        expected: u64,
        /// As it arrived.
        found: u64,
    },
    /// Larger than announced, or than this client takes.
    #[error("the archive has more than {most} bytes")]
    TooLarge {
        /// What would have been accepted, bytes.
        most: u64,
    },
}

impl Client {
    /// Fetches an archive into the file `to`. What an earlier, interrupted call left in `to` plus `.part` is not fetched
    /// again, and a complete `to` is only checked. May be cancelled at any point. `meter` counts what arrives.
    pub async fn download(
        &self,
        archive: &RemoteArchive,
        to: &Path,
        meter: &Meter,
    ) -> Result<(), DownloadError> {
        if fs::try_exists(to).await.unwrap_or(false) && check(archive, to).await.is_ok() {
            meter.kept(length(to).await);
            return Ok(());
        }
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        self.fetch(archive, &part, meter).await?;
        if let Err(damage) = check(archive, &part).await {
            fs::remove_file(&part).await.map_err(|source| file_error(&part, source))?;
            return Err(damage);
        }
        fs::rename(&part, to).await.map_err(|source| file_error(to, source))
    }

    async fn fetch(&self, archive: &RemoteArchive, part: &Path, meter: &Meter) -> Result<(), DownloadError> {
        meter.kept(length(part).await);
        let mut fruitless = 0;
        loop {
            let before = length(part).await;
            match self.fetch_rest(archive, part, before, meter).await {
                Err(DownloadError::Call(error)) if is_broken(&error) => {
                    fruitless = if length(part).await > before { 0 } else { fruitless + 1 };
                    if fruitless == FRUITLESS_ATTEMPTS {
                        return Err(error.into());
                    }
                }
                other => return other,
            }
        }
    }

    async fn fetch_rest(
        &self,
        archive: &RemoteArchive,
        part: &Path,
        offset: u64,
        meter: &Meter,
    ) -> Result<(), DownloadError> {
        if archive.size == Some(offset) && offset > 0 {
            return Ok(());
        }
        let mut request = self.http.request(Method::GET, archive.url.clone());
        // A credential is for the server it was given for, not for wherever an archive may be.
        if archive.url.origin() == self.config.endpoint.origin() {
            request = self.request(Method::GET, archive.url.clone());
        }
        if offset > 0 {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
        }
        match self.send(request).await {
            Ok(response) => self.append(archive, response, part, offset, meter).await,
            // What is there is longer than the archive or from another one: begin again.
            Err(Error::Api(error)) if error.status == StatusCode::RANGE_NOT_SATISFIABLE.as_u16() => {
                fs::remove_file(part).await.map_err(|source| file_error(part, source))?;
                meter.again(offset);
                Box::pin(self.fetch_rest(archive, part, 0, meter)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn append(
        &self,
        archive: &RemoteArchive,
        response: Response,
        part: &Path,
        offset: u64,
        meter: &Meter,
    ) -> Result<(), DownloadError> {
        let resumed = offset > 0 && response.status() == StatusCode::PARTIAL_CONTENT;
        if !resumed {
            meter.again(offset);
        }
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(resumed).truncate(!resumed);
        let mut file = options.open(part).await.map_err(|source| file_error(part, source))?;
        let most = archive.size.unwrap_or(MAX_ARCHIVE_BYTES);
        let mut length = if resumed { offset } else { 0 };
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| self.transport(error))?;
            length += chunk.len() as u64;
            meter.arrived(chunk.len() as u64);
            if length > most {
                return Err(DownloadError::TooLarge { most });
            }
            file.write_all(&chunk).await.map_err(|source| file_error(part, source))?;
        }
        file.flush().await.map_err(|source| file_error(part, source))
    }
}

/// Worth another attempt at once: the connection broke.
fn is_broken(error: &Error) -> bool {
    matches!(error, Error::Network { .. } | Error::TimedOut { .. })
}

async fn length(path: &Path) -> u64 {
    fs::metadata(path).await.map_or(0, |metadata| metadata.len())
}

async fn check(archive: &RemoteArchive, path: &Path) -> Result<(), DownloadError> {
    if let Some(expected) = archive.size {
        let found = length(path).await;
        if found != expected {
            return Err(DownloadError::Size { expected, found });
        }
    }
    if let Some(expected) = &archive.sha256 {
        let found = sha256(path).await.map_err(|source| file_error(path, source))?;
        if !found.eq_ignore_ascii_case(expected) {
            return Err(DownloadError::Checksum { expected: expected.clone(), found });
        }
    }
    Ok(())
}

async fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path).await?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).await? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&chunk[..count]),
        }
    }
}

fn file_error(path: &Path, source: io::Error) -> DownloadError {
    DownloadError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::client::ClientConfig;

    const CONTENT: &[u8] = b"0123456789";
    /// Of [`CONTENT`].
    const SHA256: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

    /// How a server answers one request.
    #[derive(Clone, Copy)]
    enum Answer {
        /// From the requested offset to the end.
        Whole,
        /// Announces everything, then hangs up after so many bytes.
        CutAfter(usize),
        /// Ignores the range.
        FromTheStart,
        /// There is nothing at this offset.
        OutOfRange,
    }

    /// A server that gives one answer after the other, and the requested offsets.
    async fn serve(answers: Vec<Answer>) -> (Client, RemoteArchive, Arc<Mutex<Vec<usize>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let offsets = Arc::new(Mutex::new(Vec::new()));
        let seen = offsets.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (stream, _) = listener.accept().await.unwrap();
                respond(stream, answer, &seen).await;
            }
        });
        let url = endpoint.join("/e-1.tar.gz").unwrap();
        let archive = RemoteArchive { url, sha256: Some(SHA256.into()), size: Some(CONTENT.len() as u64) };
        (Client::new(ClientConfig::plain(endpoint)), archive, offsets)
    }

    async fn respond(mut stream: TcpStream, answer: Answer, seen: &Mutex<Vec<usize>>) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap().to_lowercase();
        let range = request.split_once("range: bytes=").and_then(|(_, rest)| rest.split_once('-'));
        let offset: usize = range.map_or(0, |(offset, _)| offset.parse().unwrap());
        seen.lock().unwrap().push(offset);
        let (status, body, sent) = match answer {
            Answer::Whole => (if offset > 0 { 206 } else { 200 }, &CONTENT[offset..], CONTENT.len() - offset),
            Answer::CutAfter(count) => (if offset > 0 { 206 } else { 200 }, &CONTENT[offset..], count),
            Answer::FromTheStart => (200, CONTENT, CONTENT.len()),
            Answer::OutOfRange => (416, &b""[..], 0),
        };
        let head =
            format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body[..sent]).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("e-1.tar.gz");
        (directory, path)
    }

    #[tokio::test]
    async fn a_cut_download_goes_on_where_it_was_cut() {
        let (client, archive, offsets) =
            serve(vec![Answer::CutAfter(4), Answer::CutAfter(3), Answer::Whole]).await;
        let (_keep, path) = place();
        client.download(&archive, &path, &Meter::silent()).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
        assert_eq!(*offsets.lock().unwrap(), [0, 4, 7]);
    }

    #[tokio::test]
    async fn what_an_earlier_call_left_is_kept() {
        let (client, archive, _) = serve(vec![Answer::Whole]).await;
        let (_keep, path) = place();
        std::fs::write(path.with_extension("gz.part"), &CONTENT[..6]).unwrap();
        client.download(&archive, &path, &Meter::silent()).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
    }

    #[tokio::test]
    async fn a_server_without_ranges_and_a_foreign_part_begin_anew() {
        for answers in [vec![Answer::FromTheStart], vec![Answer::OutOfRange, Answer::Whole]] {
            let (client, archive, _) = serve(answers).await;
            let (_keep, path) = place();
            std::fs::write(path.with_extension("gz.part"), b"foreign").unwrap();
            client.download(&archive, &path, &Meter::silent()).await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
        }
    }

    #[tokio::test]
    async fn what_is_not_what_was_published_is_thrown_away() {
        let (client, mut archive, _) = serve(vec![Answer::Whole]).await;
        archive.sha256 = Some("00".repeat(32));
        let (_keep, path) = place();
        let error = client.download(&archive, &path, &Meter::silent()).await.unwrap_err();
        assert!(matches!(error, DownloadError::Checksum { .. }), "{error}");
        assert!(!path.exists() && !path.with_extension("gz.part").exists());
    }

    #[tokio::test]
    async fn more_than_announced_is_refused() {
        let (client, mut archive, _) = serve(vec![Answer::FromTheStart]).await;
        archive.size = Some(5);
        let (_keep, path) = place();
        let error = client.download(&archive, &path, &Meter::silent()).await.unwrap_err();
        assert!(matches!(error, DownloadError::TooLarge { most: 5 }), "{error}");
    }

    #[tokio::test]
    async fn a_complete_archive_is_not_fetched_again() {
        let (client, archive, offsets) = serve(Vec::new()).await;
        let (_keep, path) = place();
        std::fs::write(&path, CONTENT).unwrap();
        client.download(&archive, &path, &Meter::silent()).await.unwrap();
        assert!(offsets.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_server_that_brings_nothing_is_given_up() {
        let (client, archive, offsets) = serve(vec![Answer::CutAfter(0); 3]).await;
        let (_keep, path) = place();
        let error = client.download(&archive, &path, &Meter::silent()).await.unwrap_err();
        assert!(matches!(error, DownloadError::Call(Error::Network { .. })), "{error}");
        assert_eq!(offsets.lock().unwrap().len(), 3);
    }
}
