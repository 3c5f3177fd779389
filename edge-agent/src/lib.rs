//! The edge agent: dials out to the control plane, runs jobs next to the data, brings the answers home.

pub mod capacity;
pub mod clock;
pub mod config;
pub mod data_dir;
mod durable;
mod entropy;
pub mod execution;
pub mod executor;
pub mod fleet_time;
pub mod identity;
pub mod journal;
pub mod labels;
pub mod link;
