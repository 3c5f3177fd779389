//! The executions of the node, and how they are found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::{Known, fingerprint};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::execution::Execution;
use crate::executor::{StopReason, TaskRun};
use crate::journal::{self, Written};

/// An execution with what belongs to it outside the pure core.
pub(super) struct Held {
    pub(super) execution: Execution,
    /// The last record that was handed to the journal, until somebody waits for it.
    pub(super) unwritten: Option<Written>,
    /// What is going on.
    pub(super) activity: Option<Activity>,
    /// Inputs are there and the task may start.
    pub(super) ready: Option<Box<TaskRun>>,
    wakes_at: Option<Duration>,
    /// What it takes of the journal.
    bytes: usize,
}

/// Something going on for an execution.
pub(super) struct Activity {
    pub(super) stop: watch::Sender<Option<StopReason>>,
    pub(super) task: AbortHandle,
}

/// All executions, by id, by fingerprint and by the time they wait for.
#[derive(Default)]
pub(super) struct Executions {
    by_id: BTreeMap<ExecutionId, Held>,
    by_fingerprint: BTreeMap<u64, ExecutionId>,
    by_time: BTreeSet<(Duration, ExecutionId)>,
    bytes: usize,
}

impl Executions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// What all of them take of the journal.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn ids(&self) -> Vec<ExecutionId> {
        self.by_id.keys().cloned().collect()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.by_id.values().any(|held| held.execution.state().is_busy())
    }

    pub(super) fn known(&self) -> Vec<Known> {
        let known = |(execution, id): (&u64, &ExecutionId)| {
            let generation = self.by_id.get(id)?.execution.generation();
            Some(Known { execution: *execution, generation })
        };
        self.by_fingerprint.iter().filter_map(known).collect()
    }

    pub(super) fn get_mut(&mut self, id: &ExecutionId) -> Option<&mut Held> {
        self.by_id.get_mut(id)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.by_id.values_mut()
    }

    pub(super) fn contains(&self, id: &ExecutionId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn named(&self, fingerprint: u64) -> Option<ExecutionId> {
        self.by_fingerprint.get(&fingerprint).cloned()
    }

    pub(super) fn add(&mut self, execution: Execution) {
        let id = execution.id().clone();
        self.by_fingerprint.insert(fingerprint(&id), id.clone());
        let bytes = journal::size(execution.work());
        self.bytes += bytes;
        let held = Held { execution, unwritten: None, activity: None, ready: None, wakes_at: None, bytes };
        self.by_id.insert(id.clone(), held);
        self.reschedule(&id);
    }

    pub(super) fn remove(&mut self, id: &ExecutionId) {
        let Some(held) = self.by_id.remove(id) else { return };
        self.bytes -= held.bytes;
        self.by_fingerprint.remove(&fingerprint(id));
        if let Some(time) = held.wakes_at {
            self.by_time.remove(&(time, id.clone()));
        }
    }

    /// Takes over the time that the execution waits for. For after every step.
    pub(super) fn reschedule(&mut self, id: &ExecutionId) {
        let Some(held) = self.by_id.get_mut(id) else { return };
        let next = held.execution.wakes_at();
        if let Some(old) = std::mem::replace(&mut held.wakes_at, next) {
            self.by_time.remove(&(old, id.clone()));
        }
        if let Some(next) = next {
            self.by_time.insert((next, id.clone()));
        }
    }

    /// When the first execution must be woken.
    pub(super) fn wakes_at(&self) -> Option<Duration> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// Who is to be woken by now.
    pub(super) fn due(&self, now: Duration) -> Vec<ExecutionId> {
        self.by_time.iter().take_while(|(time, _)| *time <= now).map(|(_, id)| id.clone()).collect()
    }
}
