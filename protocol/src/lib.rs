//! What the control plane, the edge agent and the command line have in common: names, models, wire messages and
//! the link between a node and the control plane as a state machine without I/O.
//!
//! Knows no other crate of the workspace, reads no clock, draws no random numbers.

pub mod api;
pub mod duration;
pub mod engine_profile;
pub mod ids;
pub mod join;
pub mod link;
pub mod model;
pub mod quantity;
pub mod selector;
pub mod spec;
pub mod time;
pub mod wire;
