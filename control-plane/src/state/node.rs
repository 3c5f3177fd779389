//! What is durable of a node: written when it first asks, when it changes and when an administrator decides, never by a
//! heartbeat.

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{Membership, NodeInfo};
use bacalhau_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A node as the control plane knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name.
    pub id: NodeId,
    /// Whether it may take work.
    pub membership: Membership,
    /// Why it is so, from the administrator; may be empty.
    pub message: String,
    /// SHA-256 of the public key that holds this node id, lower-case hex. Pinned once approved.
    pub key: String,
    /// The last other key that asked for this node id and was refused.
    pub other_key: Option<OtherKey>,
    /// What the node said about itself last.
    pub info: NodeInfo,
    /// When it first asked.
    pub created: Timestamp,
    /// Last write.
    pub modified: Timestamp,
}

/// A key that was refused because another one holds the node id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherKey {
    /// SHA-256 of the public key, lower-case hex.
    pub key: String,
    /// When it asked last.
    pub at: Timestamp,
}
