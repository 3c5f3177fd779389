//! The control plane: takes jobs, decides what runs where, keeps what is known, and talks to nodes and callers.
//!
//! Read in this order: [`store`] (what is durable), [`state`] (typed tables and the working set), [`scheduler`] (pure:
//! what should run where), [`orchestrator`] (turns what happens into state), [`fleet`] (nodes), [`blobs`], [`api`]
//! (callers). [`ControlPlane`] puts them together.

pub mod api;
pub mod blobs;
pub mod config;
pub mod fleet;
pub mod orchestrator;
pub mod scheduler;
pub mod state;
pub mod store;

mod clock;
mod control_plane;
mod directory;
mod entropy;

pub use config::Config;
pub use control_plane::{ControlPlane, StartError};
pub use directory::private_directory;
