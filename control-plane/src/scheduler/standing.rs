//! Whether a node can be counted on.

use std::time::Duration;

use bacalhau_protocol::model::Membership;
use bacalhau_protocol::time::Timestamp;

use super::message::StopReason;
use super::{NodeView, Reachable};

/// What a node is to the executions it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Connected,
    /// Silent, but not yet for too long.
    Quiet {
        until: Timestamp,
    },
    /// Silent for too long.
    Silent,
    /// Not approved (any more), or unknown; why its executions stop.
    Gone(StopReason),
}

impl Standing {
    pub(super) fn of(view: Option<&NodeView>, patience: Duration, now: Timestamp) -> Self {
        match view.map(|view| (view.membership, view.reachable)) {
            Some((Membership::Approved, Reachable::Connected)) => Self::Connected,
            Some((Membership::Approved, Reachable::Silent { since })) => match since.after(patience) {
                until if until > now => Self::Quiet { until },
                _ => Self::Silent,
            },
            Some((Membership::Rejected, _)) => Self::Gone(StopReason::NodeRejected),
            Some((Membership::Pending, _)) | None => Self::Gone(StopReason::NodeDisappeared),
        }
    }
}
