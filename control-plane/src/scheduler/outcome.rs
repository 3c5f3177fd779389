//! How an execution counts for its job.

use bacalhau_protocol::model::{DesiredState, Execution, ObservedState};

use super::message::{self, StopReason};

/// What one execution means for the partition or target it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Wanted, and not seen to end.
    Live,
    /// Ended well, wanted or not: a late result counts.
    Completed,
    /// The task failed.
    Failed,
    /// The task took too long.
    TimedOut,
    /// The node would not run it.
    Refused,
    /// Its node fell silent or was removed; says nothing about the task.
    Lost,
    /// Stopped for a reason that says nothing about task or node.
    Stopped,
}

impl Outcome {
    /// Of an execution that `stop`, if there is one, is about to end.
    pub(super) fn of(execution: &Execution, stop: Option<StopReason>) -> Self {
        match execution.observed {
            ObservedState::Completed => Self::Completed,
            ObservedState::Failed if execution.observed_message.starts_with(message::TIMED_OUT) => {
                Self::TimedOut
            }
            ObservedState::Failed => Self::Failed,
            ObservedState::Refused => Self::Refused,
            observed => match (execution.desired, stop) {
                (DesiredState::Stopped, _) => Self::of_stopped(&execution.desired_message),
                (_, Some(reason)) => Self::of_stopped(&reason.text()),
                // The node ended it of its own accord.
                _ if observed == ObservedState::Stopped => Self::Failed,
                _ => Self::Live,
            },
        }
    }

    fn of_stopped(message: &str) -> Self {
        match message {
            text if text.starts_with(message::TIMED_OUT) => Self::TimedOut,
            text if StopReason::tells_lost(text) => Self::Lost,
            _ => Self::Stopped,
        }
    }

    /// The task ran, or might have, and did not end well.
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }
}
