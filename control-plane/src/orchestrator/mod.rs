//! Turns what happens (a submission, an observation, a node that comes or goes, a timer) into durable state.
//!
//! Every change goes the same way: under the world's lock a [`Draft`] is built, the scheduler plans on top of it, its
//! transactions are queued and the draft is applied in memory; outside the lock the caller waits until they are durable.
//! What breaks a limit of the store, or finds no room, is refused when it is to be queued, and nothing has happened. If the
//! store refuses a change later, memory and disk have parted: the orchestrator takes no more changes until it has read its
//! state again.

mod broker;
mod commit;
mod evaluate;
mod housekeeping;
mod nodes;
mod observe;
mod rerun;
mod revise;
mod stop;
mod submit;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bacalhau_protocol::time::Timestamp;
use tokio_util::sync::CancellationToken;

use self::broker::Broker;
use self::waiting::Rotation;
use crate::scheduler::Settings;
use crate::state::{LoadError, ReadError, Reader, World};
use crate::store::{Store, TxnError};

pub use self::commit::Commit;
pub use self::nodes::{Greeted, Greeting, Guest, NodeChange, NodeError, NodeStatus};
pub use self::observe::Observed;
pub use self::rerun::RerunError;
pub use self::stop::{StopError, Stopped};
pub use self::submit::{Submission, SubmitError, Submitted};

/// The one owner of the state. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    reader: Reader,
    world: Mutex<Option<World>>,
    /// Held while an ended job is read back into the world, so that two callers do not read it at different times.
    revival: tokio::sync::Mutex<()>,
    broker: Broker,
    rotation: Mutex<Rotation>,
    nodes: nodes::Connections,
    settings: Settings,
    retention: std::time::Duration,
    pauses: Mutex<commit::Pauses>,
    /// Cancelled when the store takes nothing more.
    store_ended: CancellationToken,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The store did not take it, or could not make it durable.
    #[error("the store did not take the change; nothing was acknowledged")]
    Store(#[from] TxnError),
    /// Something could not be read.
    #[error("reading the state")]
    Read(#[from] ReadError),
    /// A change failed a moment ago and the state is being read again.
    #[error("the state is being recovered after a failed write; try again in a moment")]
    Recovering,
}

impl Orchestrator {
    /// Reads the state and starts with an evaluation of everything in progress.
    pub async fn start(
        store: Arc<dyn Store>,
        settings: Settings,
        retention: std::time::Duration,
        now: Timestamp,
    ) -> Result<Self, LoadError> {
        let world = World::load(&store, now).await?;
        let broker = Broker::default();
        for job in world.jobs().filter_map(|id| world.job(id)) {
            broker.mark(job.head.id.clone(), job.precedence());
        }
        let inner = Inner {
            reader: Reader::new(store.clone()),
            store,
            world: Mutex::new(Some(world)),
            revival: tokio::sync::Mutex::default(),
            broker,
            rotation: Mutex::default(),
            nodes: nodes::Connections::default(),
            settings,
            retention,
            pauses: Mutex::default(),
            store_ended: CancellationToken::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads what is durable.
    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    /// The store everything is kept in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    fn world(&self) -> WorldGuard<'_> {
        WorldGuard(self.inner.world.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The world's lock. The world is absent while it is being read again.
struct WorldGuard<'a>(MutexGuard<'a, Option<World>>);

impl WorldGuard<'_> {
    fn get(&mut self) -> Result<&mut World, ChangeError> {
        self.0.as_mut().ok_or(ChangeError::Recovering)
    }

    fn put(&mut self, world: Option<World>) {
        *self.0 = world;
    }
}

#[cfg(test)]
mod tests;
