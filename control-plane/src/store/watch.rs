use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::watch;

use super::entry::Revision;
use super::error::Error;

/// Most batches the log keeps for watchers.
pub const MAX_LOG_BATCHES: usize = 65_536;
/// Most bytes the log keeps for watchers, bookkeeping included.
pub const MAX_LOG_BYTES: usize = 8 * 1024 * 1024;

/// One key's new value, or its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// All changes of one transaction: its puts, then its deletes. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub revision: Revision,
    pub changes: Arc<[Change]>,
}

impl Batch {
    fn bytes(&self) -> usize {
        let content: usize =
            self.changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len)).sum();
        content + self.changes.len() * size_of::<Change>() + size_of::<Self>()
    }
}

/// The log no longer reaches back to the revision asked for: read the range again and watch from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the watch log starts at revision {floor}: list again and watch from there")]
pub struct Compacted {
    /// The earliest revision a watch may start from.
    pub floor: Revision,
}

/// Yields committed batches in order, without gaps. It never slows down the writer: when it falls behind the log it gets
/// [`Compacted`].
pub struct Watch {
    log: Arc<Log>,
    next: Revision,
    newest: watch::Receiver<Revision>,
}

impl Watch {
    /// Waits for the next batch. May be cancelled and called again; after an error it gives the same error again.
    pub async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            if let Some(batch) = self.log.batch(self.next)? {
                self.next = batch.revision + 1;
                return Ok(batch);
            }
            self.newest.changed().await.map_err(|_| Error::Closed)?;
        }
    }
}

/// The recent past, kept in memory and bounded; revisions in it are consecutive.
pub(super) struct Log {
    recent: Mutex<Recent>,
    newest: watch::Sender<Revision>,
}

struct Recent {
    batches: VecDeque<Batch>,
    bytes: usize,
    floor: Revision,
    closed: bool,
}

impl Log {
    /// A log for a store whose last transaction was `current`.
    pub(super) fn new(current: Revision) -> Arc<Self> {
        let recent = Recent { batches: VecDeque::new(), bytes: 0, floor: current + 1, closed: false };
        Arc::new(Self { recent: Mutex::new(recent), newest: watch::Sender::new(current) })
    }

    /// Adds what has just become durable and wakes the watchers.
    pub(super) fn publish(&self, batches: Vec<Batch>) {
        let Some(newest) = batches.last().map(|batch| batch.revision) else { return };
        let mut recent = self.recent();
        for batch in batches {
            recent.push(batch);
        }
        drop(recent);
        self.newest.send_replace(newest);
    }

    /// Ends every watch once it has seen all there is.
    pub(super) fn close(&self) {
        self.recent().closed = true;
        self.newest.send_modify(|_| ());
    }

    pub(super) fn watch(self: &Arc<Self>, from: Revision) -> Result<Watch, Compacted> {
        let floor = self.recent().floor;
        if from < floor {
            return Err(Compacted { floor });
        }
        Ok(Watch { log: Arc::clone(self), next: from, newest: self.newest.subscribe() })
    }

    fn batch(&self, revision: Revision) -> Result<Option<Batch>, Error> {
        let recent = self.recent();
        let Some(ahead) = revision.checked_sub(recent.floor) else {
            return Err(Compacted { floor: recent.floor }.into());
        };
        let found = usize::try_from(ahead).ok().and_then(|ahead| recent.batches.get(ahead));
        match found {
            None if recent.closed => Err(Error::Closed),
            found => Ok(found.cloned()),
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().expect("nothing panics while holding the watch log")
    }
}

impl Recent {
    fn push(&mut self, batch: Batch) {
        debug_assert_eq!(batch.revision, self.floor + self.batches.len() as Revision);
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
        while self.batches.len() > MAX_LOG_BATCHES || self.bytes > MAX_LOG_BYTES {
            let oldest = self.batches.pop_front().expect("an empty log is within its limits");
            self.bytes -= oldest.bytes();
            self.floor = oldest.revision + 1;
        }
    }
}
