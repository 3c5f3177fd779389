//! Machines running the agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;
use crate::model::Resources;

/// What a node says about itself. Sent whole when it changes; the generation tells which is newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its name.
    pub node_id: NodeId,
    /// Configured and automatic labels.
    pub labels: BTreeMap<String, String>,
    /// Engines that can run tasks now.
    pub engines: Vec<String>,
    /// Engines that cannot, with the reason.
    pub engines_unavailable: BTreeMap<String, String>,
    /// Publishers.
    pub publishers: Vec<String>,
    /// Kinds of input source.
    pub sources: Vec<String>,
    /// Networked tasks are accepted.
    pub accepts_networked: bool,
    /// All that is offered to jobs.
    pub capacity: Resources,
    /// Most that one job may ask for.
    pub max_job: Resources,
    /// The agent's build.
    pub build: BuildInfo,
    /// Id of the engine profile artifacts must be compiled for; empty when the node runs no WASM.
    pub engine_profile: String,
}

/// What a node has given out. Sent when it changes while connected, never stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeUsage {
    /// Not in use.
    pub available: Resources,
    /// Asked for by what waits in the local queue.
    pub queued: Resources,
    /// Executions that run.
    pub running: u32,
    /// Executions that wait.
    pub enqueued: u32,
}

/// Which build of which program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildInfo {
    /// With a leading `v`.
    pub version: String,
    /// Revision of the sources; may be empty.
    pub commit: String,
    /// RFC 3339; may be empty.
    pub date: String,
    /// `linux`.
    pub os: String,
    /// In Go's words: `amd64`, `arm64`, `arm`, `riscv64`.
    pub arch: String,
}

/// Whether a node may take work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Membership {
    /// Asked to join.
    Pending,
    /// May take work; its key is pinned.
    Approved,
    /// Refused.
    Rejected,
}

impl Membership {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
        }
    }
}
