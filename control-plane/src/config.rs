//! What a control plane is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bacalhau_protocol::api::decode::Defaults;

use crate::api::tls::Tls;
use crate::fleet::Compile;
use crate::scheduler::Settings;

/// What a control plane is told at its start. Every value is resolved; nothing is read from the environment here.
#[derive(Clone)]
pub struct Config {
    /// Holds blobs and secrets, and the store if it is not elsewhere; made when absent.
    pub directory: PathBuf,
    /// Name of this orchestrator, as jobs and the API show it.
    pub node_id: String,
    /// Id that an installer gave to this machine, for the meta data of jobs; if known.
    pub installation_id: Option<String>,
    /// Id of this instance, for the meta data of jobs.
    pub instance_id: String,
    /// Directory of the store. `None`: `state` in `directory`.
    pub store: Option<PathBuf>,
    /// REST API. `None`: no API (benches).
    pub api: Option<SocketAddr>,
    /// Certificate of the API. `None`: it speaks plain HTTP.
    pub api_tls: Option<Tls>,
    /// Where nodes dial (UDP).
    pub fleet: SocketAddr,
    /// New nodes wait for an administrator.
    pub manual_approval: bool,
    /// Join secret; one is made on first start when absent.
    pub join_secret: Option<String>,
    /// Limits and patience of the scheduler.
    pub scheduler: Settings,
    /// What jobs get that do not ask.
    pub defaults: Defaults,
    /// How long an ended job is kept.
    pub retention: Duration,
    /// Bytes of all blobs together.
    pub blob_quota_bytes: u64,
    /// Compiles modules for nodes that cannot.
    pub compile: Option<Compile>,
    /// The settings of this node as callers may see them: a document whose secrets are replaced already.
    pub shown: serde_json::Value,
}

/// An ended job is kept for a month.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Bytes of all blobs together.
pub const DEFAULT_BLOB_QUOTA_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// Bytes of one blob.
pub const MAX_BLOB_BYTES: u64 = 1024 * 1024 * 1024;
