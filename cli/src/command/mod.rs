//! One file per command: parse, one call on the typed client, print.

pub mod agent;
pub mod auth;
pub mod completion;
pub mod config;
pub mod devstack;
pub mod docker;
pub mod exec;
pub mod job;
pub mod legacy;
pub mod node;
pub mod profile;
pub mod serve;
pub mod sql;
pub mod version;
pub mod wasm;
