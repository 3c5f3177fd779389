//! Where executions keep their files, for the agent's user only: `results/<id>` stays for a while, `work/<id>` goes when
//! the task is over. Each is made with the first thing in it, so a task that needs and says nothing costs no file.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::ResultPath;

use crate::blocking::blocking;
use crate::durable;
use crate::executor::stream_files::is_streams;
use crate::executor::{Access, Mount};
use crate::retention::{Limits, Shelf};
use crate::tree;

/// Name in the results that belongs to the agent, beside those of the output.
const RESERVED: &str = "exitCode";

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

/// The directories of all executions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directories {
    results: PathBuf,
    work: PathBuf,
    ended: Arc<Shelf>,
    /// In `work` from an earlier process, and not claimed yet.
    strays: Arc<Mutex<BTreeSet<String>>>,
}

impl Directories {
    /// Keeps output of ended executions in `root` within `limits`.
    pub fn open(root: &Path, limits: Limits) -> io::Result<Self> {
        let (results, work) = (root.join("results"), root.join("work"));
        durable::create_directory(&results)?;
        durable::create_directory(&work)?;
        let ended = Arc::new(Shelf::open(&results, limits)?);
        let names = fs::read_dir(&work)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let strays = Arc::new(Mutex::new(names.collect()));
        Ok(Self { results, work, ended, strays })
    }

    /// What gets published. Not there before there is something in it.
    pub fn results(&self, id: &ExecutionId) -> PathBuf {
        self.results.join(id.as_str())
    }

    /// The execution will run, or go on running: nothing of it is removed until it is retired.
    pub(super) fn claim(&self, id: &ExecutionId) {
        self.ended.claim(id.as_str());
        self.strays().remove(id.as_str());
    }

    /// Removes what belonged to executions that nobody has claimed: those of a journal that was lost. Blocks on the disk.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let strays = std::mem::take(&mut *self.strays());
        strays.iter().try_for_each(|name| tree::remove(&self.work.join(name)))
    }

    pub(super) fn input(&self, id: &ExecutionId, position: usize) -> PathBuf {
        self.work.join(id.as_str()).join(format!("input-{position}"))
    }

    pub(super) fn scratch(&self, id: &ExecutionId) -> PathBuf {
        self.work.join(id.as_str()).join("scratch")
    }

    /// Makes and gives the directories the task fills. May be called again for a task that is tried again, whose output
    /// stays.
    pub(super) async fn outputs(
        &self,
        id: &ExecutionId,
        results: &[ResultPath],
    ) -> Result<Vec<Mount>, Error> {
        let results_dir = self.results(id);
        let outputs =
            results.iter().map(|result| output(&results_dir, result)).collect::<Result<Vec<_>, _>>()?;
        if !outputs.is_empty() {
            let wanted: Vec<_> = outputs.iter().map(|mount| mount.host.name().to_owned()).collect();
            blocking(move || wanted.iter().try_for_each(|directory| durable::create_directory(directory)))
                .await?;
        }
        Ok(outputs)
    }

    /// Removes everything but the results, and those of earlier executions when there are too many. Returns one of which
    /// something must go and cannot be removed. Harmless for an execution that never had directories.
    pub(super) async fn retire(&self, id: &ExecutionId) -> io::Result<Option<ExecutionId>> {
        let work = self.work.join(id.as_str());
        let (shelf, name) = (Arc::clone(&self.ended), id.to_string());
        blocking(move || {
            tree::remove(&work)?;
            Ok(shelf.take(&name).and_then(|stuck| ExecutionId::parse(&stuck).ok()))
        })
        .await
    }

    /// Tries again to remove what could not be removed.
    pub(super) async fn make_room(&self) {
        let shelf = Arc::clone(&self.ended);
        // What still cannot be removed is tried with the next execution that ends.
        _ = tokio::task::spawn_blocking(move || shelf.make_room()).await;
    }

    fn strays(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn output(results_dir: &Path, result: &ResultPath) -> Result<Mount, Error> {
    let name = result.name.as_str();
    let is_plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
    if !is_plain || name == RESERVED || is_streams(name) {
        return Err(Error::Name(name.to_owned()));
    }
    let (host, guest) = (results_dir.join(name).into(), result.path.clone());
    Ok(Mount { host, guest, alias: None, access: Access::ReadWrite })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExecutionId {
        ExecutionId::parse(name).unwrap()
    }

    #[tokio::test]
    async fn what_nobody_claims_is_swept_away() {
        let root = tempfile::tempdir().unwrap();
        for name in ["e-known", "e-lost"] {
            fs::create_dir_all(root.path().join("work").join(name).join("scratch")).unwrap();
        }
        let directories = Directories::open(root.path(), Limits::default()).unwrap();
        directories.claim(&id("e-known"));
        directories.sweep().unwrap();
        assert!(directories.scratch(&id("e-known")).exists());
        assert!(!root.path().join("work/e-lost").exists());
        directories.retire(&id("e-known")).await.unwrap();
        assert!(!directories.scratch(&id("e-known")).exists());
    }

    #[tokio::test]
    async fn results_stay_and_nothing_is_made_for_nothing() {
        let root = tempfile::tempdir().unwrap();
        let directories = Directories::open(root.path(), Limits::default()).unwrap();
        assert!(directories.outputs(&id("e-1"), &[]).await.unwrap().is_empty());
        assert!(!directories.results(&id("e-1")).exists());
        let wanted = ResultPath { name: "answers".to_owned(), path: "/out".to_owned() };
        let mounts = directories.outputs(&id("e-1"), &[wanted]).await.unwrap();
        fs::write(mounts[0].host.name().join("a"), "x").unwrap();
        directories.retire(&id("e-1")).await.unwrap();
        assert!(directories.results(&id("e-1")).join("answers/a").exists());
    }
}
