//! Publisher `local`: the archive stays on the device and comes home through the link, at once when it is small, else
//! when somebody asks for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::publisher::UrlDownload;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use super::retention::{Kept, Limits, surplus};
use super::{Error, Publisher, Results, archive};
use crate::durable;
use crate::link::{Archive, Unserved};

/// Archives up to this size are uploaded before the execution is reported complete, so that an answer does not vanish
/// with its device.
const EAGER_RESULT_BYTES: u64 = 1024 * 1024;
/// How long such an upload may hold the report up.
const UPLOAD_WAIT: Duration = Duration::from_secs(60);

/// Extension of the file with an archive's hash.
const NOTE: &str = "sha256";
/// Extension of the file that says an archive is still to be sent, and whose it is.
const UNSENT: &str = "unsent";

/// The control plane's end of an upload.
pub trait Uploads: Send + Sync {
    /// Whether there is a connection now.
    fn is_connected(&self) -> bool;

    /// Sends an archive; returns when it is durable there.
    fn store(
        &self,
        job: JobId,
        execution: ExecutionId,
        archive: Archive,
    ) -> BoxFuture<'_, Result<(), String>>;
}

/// Keeps archives on the device.
pub struct LocalPublisher {
    directory: PathBuf,
    limits: Limits,
    uploads: Arc<dyn Uploads>,
}

impl LocalPublisher {
    /// Keeps archives in `directory`; removes what is past its time.
    pub fn open(directory: PathBuf, limits: Limits, uploads: Arc<dyn Uploads>) -> io::Result<Self> {
        durable::create_directory(&directory)?;
        let publisher = Self { directory, limits, uploads };
        publisher.make_room()?;
        Ok(publisher)
    }

    /// The archive of an execution, if it is still here.
    pub async fn archive(&self, execution: &ExecutionId) -> Result<Archive, Unserved> {
        let path = self.path(execution);
        let execution = execution.clone();
        let read = tokio::task::spawn_blocking(move || describe(&path).map(|archive| (archive, path)));
        match read.await {
            Ok(Ok(((size, hash), path))) => Ok(Archive { path, size, hash }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Err(Unserved::not_found(format!(
                "the results of execution {execution} are not on this device any more"
            ))),
            Ok(Err(error)) => Err(Unserved::failed(format!("reading the results of {execution}: {error}"))),
            Err(_) => Err(Unserved::failed("the agent stops")),
        }
    }

    fn path(&self, execution: &ExecutionId) -> PathBuf {
        self.directory.join(format!("{execution}.tar.gz"))
    }

    async fn pack(&self, results: &Results) -> Result<Archive, Error> {
        let (directory, path) = (results.directory.clone(), self.path(&results.execution_id));
        let packed = tokio::task::spawn_blocking(move || {
            let made = pack(&directory, &path);
            made.map_err(|source| Error::File { action: "packing results into", path, source })
        });
        packed.await.map_err(|_| Error::Stopping)?
    }

    fn make_room(&self) -> io::Result<()> {
        for path in surplus(kept(&self.directory)?, self.limits) {
            tracing::info!(archive = %path.display(), "an archive is removed to make room");
            for beside in [NOTE, UNSENT] {
                let _ = fs::remove_file(path.with_extension(beside));
            }
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Sends a small archive now, if there is a connection; else notes that it is to be sent with the next one.
    async fn upload(&self, results: &Results, archive: &Archive) -> io::Result<()> {
        if archive.size > EAGER_RESULT_BYTES {
            return Ok(());
        }
        let (job, execution) = (results.job_id.clone(), results.execution_id.clone());
        if self.uploads.is_connected() {
            let sent = self.uploads.store(job.clone(), execution.clone(), archive.clone());
            match tokio::time::timeout(UPLOAD_WAIT, sent).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => tracing::warn!(%execution, %error, "results are sent later"),
                Err(_) => tracing::warn!(%execution, "results are sent later: the upload is too slow"),
            }
        }
        durable::write(&archive.path.with_extension(UNSENT), format!("{job} {execution}").as_bytes())
    }

    /// Sends what could not be sent before. Called when a connection is there; what fails again is left for the next.
    pub async fn send_unsent(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let note = entry?.path();
            if note.extension().is_none_or(|extension| extension != UNSENT) {
                continue;
            }
            let text = fs::read_to_string(&note)?;
            let ids = text
                .split_once(' ')
                .and_then(|(job, id)| Some((JobId::parse(job).ok()?, ExecutionId::parse(id).ok()?)));
            if let Some((job, execution)) = ids
                && let Ok(archive) = self.archive(&execution).await
                && let Err(error) = self.uploads.store(job, execution.clone(), archive).await
            {
                tracing::warn!(%execution, %error, "results could not be sent");
                continue;
            }
            fs::remove_file(&note)?;
        }
        Ok(())
    }
}

impl Publisher for LocalPublisher {
    fn kind(&self) -> &'static str {
        "local"
    }

    fn publish(&self, results: Results) -> BoxFuture<'_, Result<SpecConfig, Error>> {
        Box::pin(async move {
            let archive = self.pack(&results).await?;
            if let Err(error) = self.upload(&results, &archive).await {
                tracing::warn!(%error, "results that could not be sent could not be noted");
            }
            if let Err(error) = self.make_room() {
                tracing::warn!(%error, "archives past their time could not be removed");
            }
            Ok(UrlDownload::of_execution(&results.execution_id, archive.hash, archive.size).to_config())
        })
    }
}

/// Packs under another name, and moves the archive to its own once it is whole. Its hash lies beside it.
fn pack(directory: &Path, path: &Path) -> io::Result<Archive> {
    let temporary = path.with_extension("new");
    let written = archive::write(directory, &temporary)?;
    durable::write(&path.with_extension(NOTE), &written.hash)?;
    durable::place(&temporary, path)?;
    Ok(Archive { path: path.to_owned(), size: written.size, hash: written.hash })
}

fn describe(path: &Path) -> io::Result<(u64, [u8; 32])> {
    let size = fs::metadata(path)?.len();
    let noted = fs::read(path.with_extension(NOTE)).ok().and_then(|bytes| bytes.try_into().ok());
    match noted {
        Some(hash) => Ok((size, hash)),
        None => {
            let mut hash = Sha256::new();
            io::copy(&mut fs::File::open(path)?, &mut hash)?;
            Ok((size, hash.finalize().into()))
        }
    }
}

fn kept(directory: &Path) -> io::Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if entry.path().extension().is_some_and(|extension| extension == "gz") {
            kept.push(Kept { path: entry.path(), bytes: metadata.len(), written: metadata.modified()? });
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Sent(Mutex<Vec<Archive>>, AtomicBool);

    impl Uploads for Sent {
        fn is_connected(&self) -> bool {
            !self.1.load(Ordering::Relaxed)
        }

        fn store(&self, _: JobId, _: ExecutionId, archive: Archive) -> BoxFuture<'_, Result<(), String>> {
            Box::pin(async {
                self.0.lock().unwrap().push(archive);
                Ok(())
            })
        }
    }

    fn results(directory: &Path) -> Results {
        fs::create_dir_all(directory.join("outputs/deep")).unwrap();
        fs::write(directory.join("stdout"), "hello\n").unwrap();
        fs::write(directory.join("outputs/deep/file"), "x").unwrap();
        let _ = symlink("/etc/passwd", directory.join("outputs/link"));
        Results {
            job_id: JobId::parse("j").unwrap(),
            execution_id: ExecutionId::parse("e").unwrap(),
            config: SpecConfig::default(),
            directory: directory.to_owned(),
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(path).unwrap()));
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    #[tokio::test]
    async fn the_archive_is_whole_repeatable_and_sent_home() {
        let root = tempfile::tempdir().unwrap();
        let sent = Arc::new(Sent::default());
        let publisher =
            LocalPublisher::open(root.path().join("kept"), Limits::default(), sent.clone()).unwrap();
        let results = results(&root.path().join("results"));
        let first = publisher.publish(results.clone()).await.unwrap();
        assert_eq!(
            publisher.publish(results.clone()).await.unwrap(),
            first,
            "the same results, the same bytes"
        );
        let archive = publisher.archive(&results.execution_id).await.unwrap();
        assert_eq!(names(&archive.path), ["outputs", "outputs/deep", "outputs/deep/file", "stdout"]);
        assert_eq!(sent.0.lock().unwrap()[0], archive);
        fs::remove_file(archive.path.with_extension(NOTE)).unwrap();
        assert_eq!(
            publisher.archive(&results.execution_id).await.unwrap(),
            archive,
            "the note is a convenience"
        );
    }

    #[tokio::test]
    async fn results_made_offline_are_sent_with_the_next_connection() {
        let root = tempfile::tempdir().unwrap();
        let sent = Arc::new(Sent::default());
        sent.1.store(true, Ordering::Relaxed);
        let publisher =
            LocalPublisher::open(root.path().join("kept"), Limits::default(), sent.clone()).unwrap();
        publisher.publish(results(&root.path().join("results"))).await.unwrap();
        assert!(sent.0.lock().unwrap().is_empty());
        for _ in 0..2 {
            publisher.send_unsent().await.unwrap();
            assert_eq!(sent.0.lock().unwrap().len(), 1, "sent once");
        }
    }

    #[tokio::test]
    async fn an_archive_that_is_gone_is_said_to_be_gone() {
        let root = tempfile::tempdir().unwrap();
        let publisher =
            LocalPublisher::open(root.path().join("kept"), Limits::default(), Arc::new(Sent::default()))
                .unwrap();
        let unserved = publisher.archive(&ExecutionId::parse("none").unwrap()).await.unwrap_err();
        assert!(unserved.message.contains("not on this device any more"), "{}", unserved.message);
    }
}
