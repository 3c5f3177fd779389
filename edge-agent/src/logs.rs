//! A task's output for those who follow it: from its files, woken by the task's own writes.

mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::stream::LogItem;
use tokio::sync::{mpsc, watch};

use crate::executor::OutputProgress;
use reader::Reader;

/// Items that wait for a follower; the reader goes on when there is room.
const WAITING_ITEMS: usize = 16;

/// Which executions may still write, and how to hear of it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Outputs(Arc<Mutex<BTreeMap<ExecutionId, watch::Sender<Option<OutputProgress>>>>>);

/// Hears of each run of a task, and closes when there will be no other.
type Runs = watch::Receiver<Option<OutputProgress>>;

/// What a follower wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Only what is written from now on.
    pub tail: bool,
    /// Until the task ends, else up to what is there.
    pub follow: bool,
}

impl Outputs {
    /// The execution will run, or go on running.
    pub fn expect(&self, id: &ExecutionId) {
        self.lock().entry(id.clone()).or_insert_with(|| watch::Sender::new(None));
    }

    /// The task runs and writes.
    pub fn began(&self, id: &ExecutionId, progress: OutputProgress) {
        if let Some(runs) = self.lock().get(id) {
            runs.send_replace(Some(progress));
        }
    }

    /// The task will write no more.
    pub fn over(&self, id: &ExecutionId) {
        self.lock().remove(id);
    }

    /// Opens the output in `results_dir`; what is "now" is decided before this returns. `None` when there neither is
    /// nor will be any.
    pub async fn open(
        &self,
        id: &ExecutionId,
        results_dir: PathBuf,
        wanted: Wanted,
    ) -> Option<mpsc::Receiver<LogItem>> {
        let runs = self.lock().get(id).map(watch::Sender::subscribe);
        if runs.is_none() && !results_dir.is_dir() {
            return None;
        }
        let reader = Reader::open(&results_dir, runs, wanted).await;
        let (items, receiver) = mpsc::channel(WAITING_ITEMS);
        tokio::spawn(reader.read(items));
        Some(receiver)
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<ExecutionId, watch::Sender<Option<OutputProgress>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
