//! The REST API. One file per resource; every handler passes through one door ([`Server`]) and speaks to the
//! orchestrator, the blobs and the relay, never to the store.

mod server;

use crate::blobs::Blobs;
use crate::fleet::Relay;
use crate::orchestrator::Orchestrator;

pub use self::server::{ListenError, Server};

/// What handlers speak to.
#[derive(Clone)]
pub struct Parts {
    /// Name of this orchestrator.
    pub node_id: String,
    /// The state and its changes.
    pub orchestrator: Orchestrator,
    /// Modules, inline data, results.
    pub blobs: Blobs,
    /// Logs and results that lie on nodes.
    pub relay: Relay,
}
