//! Typed tables over the store, and the working set in memory.
//!
//! [`World`] holds what is in progress: jobs that have not ended, executions that may still run, all nodes. A change is
//! built as a [`Draft`] of one job, applied to the world and queued for the store under one lock, so the order in
//! memory is the order on disk. Nobody outside sees a change before it is durable: callers wait for the commit, nodes
//! and watchers follow the store's watch.

mod draft;
#[cfg(test)]
mod golden;
mod history;
pub mod keys;
mod line;
mod load;
mod news;
mod node;
mod read;
mod world;

pub use draft::Draft;
pub use history::HistoryEntry;
pub use line::{Line, Precedence};
pub use load::LoadError;
pub use news::News;
pub use node::{NodeRecord, OtherKey};
pub use read::{
    ExecutionOrder, ExecutionPage, ExecutionQuery, HistoryPage, HistoryQuery, JobOrder, JobPage, JobQuery,
    ListedJob, Lookup, ReadError, Reader, VersionPage,
};
pub use world::{LiveJob, World};
