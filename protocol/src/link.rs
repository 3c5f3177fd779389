//! The conversation between a node and the control plane, without I/O.
//!
//! The control plane holds what is *wanted* of a node's executions, each with a generation; the node holds what was
//! *observed*, each with a sequence. A connection begins with the node telling what it has journaled; from there both
//! sides send differences. Within a connection the transport is ordered and reliable, so there are no timers and no
//! retransmission: whatever a cut may have swallowed is found again by the next connection's first message.
//!
//! Shells push bytes in, take bytes out, and act on the events in between.

mod hub;
mod node;
#[cfg(test)]
mod tests;

pub use hub::{HubEvent, HubLink};
pub use node::{NodeEvent, NodeLink};

use crate::wire::{FrameError, VersionMismatch};

/// The peer broke the conversation; the connection must be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Bytes that are no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No common version.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// A message that may not come here.
    #[error("unexpected {0} message")]
    Unexpected(&'static str),
    /// Sequences within a connection only grow.
    #[error("observation {got} came after {last}")]
    OutOfOrder {
        /// Highest before.
        last: u64,
        /// What came.
        got: u64,
    },
    /// More than a peer may send.
    #[error("the peer exceeds the limit of {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: usize,
    },
}
