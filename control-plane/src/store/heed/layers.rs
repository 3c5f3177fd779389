//! What is in the write-ahead log and not yet in the database, by key.
//!
//! Commits go to the active layer. When its log segment has grown enough the layer is frozen, written to the database in
//! the background, and dropped; meanwhile the other segment and a new active layer take the commits.

use std::error::Error as StdError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use bytes::Bytes;
use imbl::OrdMap;

use super::wal::Held;
use crate::store::{Batch, Change, Entry, Revision};

pub(super) type Layer = OrdMap<Bytes, Record>;

/// Why something could not be written, for all whom it concerns.
pub(super) type Cause = Arc<dyn StdError + Send + Sync>;

/// What the last change made of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) revision: Revision,
    /// `None`: it was deleted.
    pub(super) value: Option<Bytes>,
}

impl Record {
    pub(super) fn entry(self, key: Bytes) -> Option<Entry> {
        self.value.map(|value| Entry { key, value, revision: self.revision })
    }
}

/// The layers at one moment. Cheap to clone.
#[derive(Clone)]
pub(super) struct View {
    pub(super) active: Layer,
    pub(super) frozen: Option<Frozen>,
    /// The layers hold every change after this revision.
    pub(super) checkpoint: Revision,
    pub(super) revision: Revision,
}

/// A layer that no longer changes, and the last revision in it.
#[derive(Clone)]
pub(super) struct Frozen {
    pub(super) layer: Layer,
    pub(super) revision: Revision,
}

pub(super) struct Layers {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    view: View,
    /// Why the frozen layer could not be written; it is tried again once someone has been told.
    failure: Option<Cause>,
    closed: bool,
}

impl Layers {
    /// Over a database that holds everything up to `stored`, as the log tells them.
    pub(super) fn restored(stored: Revision, held: &Held) -> Self {
        let frozen =
            held.frozen.last().map(|last| Frozen { layer: layer(&held.frozen), revision: last.revision });
        let reached = frozen.as_ref().map_or(stored, |frozen| frozen.revision);
        let revision = held.active.last().map_or(reached, |last| last.revision);
        let view = View { active: layer(&held.active), frozen, checkpoint: stored, revision };
        Self { state: Mutex::new(State { view, failure: None, closed: false }), changed: Condvar::new() }
    }

    pub(super) fn view(&self) -> View {
        self.state().view.clone()
    }

    /// Shows readers what has just become durable.
    pub(super) fn publish(&self, active: Layer, revision: Revision) {
        let mut state = self.state();
        state.view.active = active;
        state.view.revision = revision;
    }

    /// Freezes the active layer unless there still is a frozen one.
    pub(super) fn try_freeze(&self) -> bool {
        let mut state = self.state();
        let free = state.view.frozen.is_none();
        if free {
            state.view.freeze();
            self.changed.notify_all();
        }
        free
    }

    /// Waits until the active layer can be frozen; tells why when that is not to be expected.
    pub(super) fn freeze(&self) -> Result<(), Cause> {
        let mut state = self.state();
        while state.view.frozen.is_some() {
            if let Some(cause) = state.failure.take() {
                self.changed.notify_all();
                return Err(cause);
            }
            if state.closed {
                return Err(Box::<dyn StdError + Send + Sync>::from("the store is closed").into());
            }
            state = self.wait(state);
        }
        state.view.freeze();
        self.changed.notify_all();
        Ok(())
    }

    /// Blocks until there is a frozen layer to write; `None` once closed.
    pub(super) fn frozen(&self) -> Option<Frozen> {
        let mut state = self.state();
        loop {
            match &state.view.frozen {
                _ if state.closed => return None,
                Some(frozen) if state.failure.is_none() => return Some(frozen.clone()),
                _ => state = self.wait(state),
            }
        }
    }

    /// Drops the frozen layer now that the database holds it, or notes why it does not.
    pub(super) fn written(&self, outcome: Result<(), Cause>) {
        let mut state = self.state();
        match outcome {
            Ok(()) => state.view.thaw(),
            Err(cause) => state.failure = Some(cause),
        }
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).expect(UNPOISONED)
    }
}

fn layer(batches: &[Batch]) -> Layer {
    let mut layer = Layer::new();
    for Batch { revision, changes } in batches {
        for Change { key, value } in changes.iter() {
            layer.insert(key.clone(), Record { revision: *revision, value: value.clone() });
        }
    }
    layer
}

impl View {
    fn freeze(&mut self) {
        let layer = std::mem::take(&mut self.active);
        self.frozen = Some(Frozen { layer, revision: self.revision });
    }

    fn thaw(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            self.checkpoint = frozen.revision;
        }
    }
}

const UNPOISONED: &str = "nothing panics while holding the layers";

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> Layers {
        Layers::restored(5, &Held { frozen: Vec::new(), active: Vec::new() })
    }

    fn deleted(revision: Revision) -> Layer {
        Layer::unit("k".into(), Record { revision, value: None })
    }

    #[test]
    fn a_layer_is_frozen_then_written_then_gone() {
        let layers = layers();
        layers.publish(deleted(6), 6);
        assert!(layers.try_freeze());
        layers.publish(deleted(7), 7);
        assert!(!layers.try_freeze(), "there still is a frozen layer");
        let frozen = layers.frozen().unwrap();
        assert_eq!((frozen.layer, frozen.revision), (deleted(6), 6));
        assert_eq!(layers.view().checkpoint, 5);
        layers.written(Ok(()));
        let view = layers.view();
        assert!(view.frozen.is_none());
        assert_eq!((view.checkpoint, view.active), (6, deleted(7)));
        layers.freeze().unwrap();
    }

    #[test]
    fn a_failure_is_told_once_and_then_tried_again() {
        let layers = layers();
        assert!(layers.try_freeze());
        layers.written(Err(Box::<dyn StdError + Send + Sync>::from("disk full").into()));
        assert_eq!(layers.freeze().unwrap_err().to_string(), "disk full");
        assert!(layers.frozen().is_some());
        layers.written(Ok(()));
        layers.freeze().unwrap();
    }

    #[test]
    fn closing_ends_all_waiting() {
        let layers = layers();
        assert!(layers.try_freeze());
        layers.close();
        assert!(layers.freeze().is_err());
        assert!(layers.frozen().is_none());
    }
}
