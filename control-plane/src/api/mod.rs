//! The REST API. One file per resource; every request passes through one door ([`door`]), which makes a
//! [`caller::Caller`], and handlers speak to the orchestrator, the blobs and the relay, never to the store.

mod agent;
mod answer;
mod archive;
mod auth;
mod body;
mod build;
mod caller;
mod connections;
mod door;
mod error;
mod host;
mod jobs;
mod nodes;
mod older;
mod openapi;
mod operation;
mod operations;
mod page;
mod query;
mod routes;
mod server;
#[cfg(test)]
mod tests;
pub mod tls;

use std::sync::Arc;

use bacalhau_protocol::api::decode::Defaults;

use crate::blobs::Blobs;
use crate::fleet::Relay;
use crate::orchestrator::Orchestrator;

pub use self::server::{ListenError, Server};

/// What handlers speak to.
#[derive(Clone)]
pub struct Parts {
    /// Name of this orchestrator.
    pub node_id: String,
    /// Id that an installer gave to this machine, if known.
    pub installation_id: Option<String>,
    /// Id of this instance.
    pub instance_id: String,
    /// What jobs get that do not ask.
    pub defaults: Defaults,
    /// The settings of this server as callers may see them.
    pub config: Arc<serde_json::Value>,
    /// The state and its changes.
    pub orchestrator: Orchestrator,
    /// Modules, inline data, results.
    pub blobs: Blobs,
    /// Logs and results that lie on nodes.
    pub relay: Relay,
}
