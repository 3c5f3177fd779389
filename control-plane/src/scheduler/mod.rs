//! What should run where. A function of a [`Snapshot`], an [`Evaluation`] and `now`, giving a [`Plan`].
//!
//! Nothing here reads a clock or a store, draws random numbers, waits, or keeps anything between two calls; the same
//! input gives the same plan. The orchestrator does what the plan says under the lock under which it made the snapshot, so
//! nothing has changed in between.
#![deny(clippy::disallowed_types)]

mod nodes;
mod plan;
mod settings;
mod snapshot;

mod draft;
mod message;
mod outcome;
mod standing;

mod feasible;
mod rank;
mod reconcile;
mod rollout;

mod daemon;
mod everywhere;
mod ops;
mod partitions;

use bacalhau_protocol::model::JobType;
use bacalhau_protocol::time::Timestamp;

use draft::Draft;

pub use message::{NODE_DELETED, NODE_REJECTED};
pub use nodes::{NodeView, Nodes, Reachable};
pub use outcome::ENDED_UNASKED;
pub use plan::{EventLevel, JobChange, Placement, Plan, PlannedEvent, StopChange};
pub use settings::Settings;
pub use snapshot::{Evaluation, Snapshot};

/// Decides what should change for one job.
pub fn plan(snapshot: &Snapshot<'_>, evaluation: &Evaluation, now: Timestamp) -> Plan {
    let mut draft = Draft::new(snapshot, evaluation, now);
    reconcile::reconcile(&mut draft);
    if !draft.job_state().is_terminal() {
        match snapshot.spec.job_type {
            JobType::Batch | JobType::Service => partitions::plan(&mut draft),
            JobType::Ops => ops::plan(&mut draft),
            JobType::Daemon => daemon::plan(&mut draft),
        }
    }
    draft.finish()
}

#[cfg(test)]
mod tests;
