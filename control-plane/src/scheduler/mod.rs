//! What should run where. A function of a [`Snapshot`], an [`Evaluation`] and `now`, giving a [`Plan`].
//!
//! Nothing here reads a clock or a store, draws random numbers, waits, or keeps anything between two calls; the same
//! input gives the same plan. What the plan says is done by the orchestrator, which checks each placement again.
#![deny(clippy::disallowed_types)]

mod nodes;
mod plan;
mod settings;
mod snapshot;

pub use nodes::{NodeView, Nodes, Reachable};
pub use plan::{EventLevel, Explanation, JobChange, Placement, Plan, PlannedEvent, Rejection, StopChange};
pub use settings::Settings;
pub use snapshot::{Evaluation, Snapshot, Trigger};
