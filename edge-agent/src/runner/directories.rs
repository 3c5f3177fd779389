//! Where executions keep their files: `<id>/{results,inputs,scratch}`, for the agent's user only.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::ResultPath;

use crate::durable;
use crate::executor::{Access, Mount};
use crate::retention::{self, Limits, Shelf};

/// Names in the results that belong to the agent.
const RESERVED: [&str; 3] = ["stdout", "stderr", "exitCode"];

/// Why an execution's directories cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk says no.
    #[error("the directories of the execution cannot be made")]
    Io(#[from] io::Error),
    /// A result path's name would land elsewhere or on the agent's own files.
    #[error(
        "result path name {0:?} cannot be used; choose a plain name other than stdout, stderr and exitCode"
    )]
    Name(String),
}

/// The directory of all executions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directories {
    root: PathBuf,
    ended: Arc<Shelf>,
}

impl Directories {
    /// Keeps output of ended executions in `root` within `limits`.
    pub fn open(root: PathBuf, limits: Limits) -> io::Result<Self> {
        durable::create_directory(&root)?;
        let ended = Arc::new(Shelf::open(&root, limits)?);
        Ok(Self { root, ended })
    }

    /// What gets published.
    pub fn results(&self, id: &ExecutionId) -> PathBuf {
        self.of(id).join("results")
    }

    /// The execution will run, or go on running: nothing of it is removed until it is retired.
    pub(super) fn claim(&self, id: &ExecutionId) {
        self.ended.claim(id.as_str());
    }

    pub(super) fn input(&self, id: &ExecutionId, position: usize) -> PathBuf {
        self.of(id).join("inputs").join(position.to_string())
    }

    pub(super) fn scratch(&self, id: &ExecutionId) -> PathBuf {
        self.of(id).join("scratch")
    }

    /// Makes the directories and gives those the task fills. May be called again for a task that is tried again, whose
    /// output stays.
    pub(super) async fn make(&self, id: &ExecutionId, results: &[ResultPath]) -> Result<Vec<Mount>, Error> {
        let results_dir = self.results(id);
        let outputs =
            results.iter().map(|result| output(&results_dir, result)).collect::<Result<Vec<_>, _>>()?;
        let mut wanted = vec![results_dir, self.of(id).join("inputs"), self.scratch(id)];
        wanted.extend(outputs.iter().map(|mount| mount.host.clone()));
        blocking(move || {
            wanted
                .iter()
                .try_for_each(|directory| DirBuilder::new().recursive(true).mode(0o700).create(directory))
        })
        .await?;
        Ok(outputs)
    }

    /// Removes everything but the results, and those of earlier executions when there are too many. Harmless for an
    /// execution that never had directories.
    pub(super) async fn retire(&self, id: &ExecutionId) -> io::Result<()> {
        let (directory, shelf, name) = (self.of(id), Arc::clone(&self.ended), id.to_string());
        blocking(move || {
            if !directory.exists() {
                return Ok(());
            }
            retention::remove(&directory.join("inputs"))?;
            retention::remove(&directory.join("scratch"))?;
            shelf.put(&name, retention::size(&directory)?);
            Ok(())
        })
        .await
    }

    fn of(&self, id: &ExecutionId) -> PathBuf {
        self.root.join(id.as_str())
    }
}

fn output(results_dir: &Path, result: &ResultPath) -> Result<Mount, Error> {
    let name = result.name.as_str();
    let is_plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
    if !is_plain || RESERVED.contains(&name) {
        return Err(Error::Name(name.to_owned()));
    }
    let (host, guest) = (results_dir.join(name), result.path.clone());
    Ok(Mount { host, guest, alias: None, access: Access::ReadWrite })
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}
