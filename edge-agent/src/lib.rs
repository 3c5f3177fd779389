//! The edge agent: dials out to the control plane, runs jobs next to the data, brings the answers home.

pub mod admission;
mod agent;
#[cfg(target_env = "musl")]
mod allocator;
pub mod archive;
mod blocking;
pub mod capacity;
mod chain;
pub mod clock;
pub mod config;
pub mod data_dir;
mod describe;
pub mod device_files;
mod disk;
mod durable;
pub mod egress;
mod entropy;
pub mod environment;
pub mod execution;
pub mod executor;
pub mod fleet_time;
pub mod identity;
pub mod journal;
pub mod labels;
pub mod link;
pub mod logs;
pub mod node;
pub mod own_program;
pub mod ports;
pub mod program_text;
pub mod publisher;
pub mod queue;
mod reclaim;
pub mod retention;
pub mod runner;
mod signal;
pub mod storage;
mod tls;
pub mod tree;
mod workshop;

pub use agent::{Agent, Replacements, StartError};
pub use describe::build_info;

/// First argument of the process that compiles one module and ends; see [`executor::wasm::ChildCompiler`].
pub const COMPILE_ARGUMENT: &str = "compile-module";
/// First argument of this program when it only carries a task's requests to the agent: see [`egress::relay`].
pub const RELAY_ARGUMENT: &str = "egress-relay";
/// First argument of this program when it only makes files its agent's own; see [`own_program::in_container`].
pub const RECLAIM_ARGUMENT: &str = "reclaim-files";
