//! The command line, and the composition root that links control plane and agent for `serve` and `devstack`.
//!
//! One file per command: parse, one call on the typed client, print. The client and the configuration are public so that
//! whole-system tests speak through them.

pub mod app;
pub mod archive;
pub mod arguments;
pub mod client;
pub mod command;
pub mod config;
pub mod error;
pub mod fetching;
pub mod flags;
pub mod job_file;
pub mod output;
pub mod profiles;
pub mod results;
pub mod template;
pub mod usage;
pub mod version;
pub mod waiting;

pub mod devstack;
mod entropy;
mod logging;
pub mod serve;
mod signals;
