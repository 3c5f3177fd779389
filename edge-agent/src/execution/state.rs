//! Where an execution can stand.

use std::time::Duration;

use bacalhau_protocol::model::RunOutput;

use super::Verdict;

/// Where an execution stands on the node.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The node looks whether it will take it.
    Considering,
    /// Offered and agreed to; the control plane has not confirmed.
    Agreed,
    /// Waits in the local queue; holds no capacity.
    Queued,
    /// Holds its capacity; the engine looks for the task that an earlier agent process started.
    Recovering,
    /// Holds its capacity; inputs are brought here.
    Preparing(Attempt),
    /// The engine was told to start the task.
    Starting(Attempt),
    /// The task runs.
    Running {
        /// This run.
        attempt: Attempt,
        /// When it began.
        since: Duration,
    },
    /// A long-running task ended or did not start, and is tried again; keeps its capacity.
    BackingOff {
        /// Runs in a row that ended soon.
        failures: u32,
        /// When it is tried again.
        until: Duration,
    },
    /// Whatever was going on was told to end, and has not yet.
    Stopping {
        /// Why, which decides what comes after.
        cause: StopCause,
        /// Still holds its capacity.
        in_queue: bool,
        /// When the node stops waiting for it.
        give_up_at: Duration,
    },
    /// The task is over and its results are sent.
    Publishing {
        /// What the execution will have been.
        verdict: Verdict,
        /// How the task ended.
        output: RunOutput,
        /// When the execution has taken too long.
        deadline: Option<Duration>,
    },
    /// Final; kept until the control plane has it.
    Ended,
    /// The agent ends; the next one goes on from the record.
    Suspended {
        /// The record may say so.
        may_have_run: bool,
    },
    /// Nothing is left; no effect comes any more.
    Forgotten,
}

/// One run of the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// When the execution has taken too long, counted from leaving the local queue.
    pub deadline: Option<Duration>,
    /// Runs in a row before this one that ended soon.
    pub failures: u32,
}

/// Why something was told to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The control plane does not want it any more, for this reason.
    Unwanted(String),
    /// Nobody knows it; it leaves no trace.
    Disowned,
    /// It took too long.
    Timeout,
    /// The agent ends.
    Shutdown,
}

impl State {
    /// Something of it is going on: inputs, task or publisher.
    pub fn is_busy(&self) -> bool {
        matches!(
            self,
            Self::Recovering
                | Self::Preparing(_)
                | Self::Starting(_)
                | Self::Running { .. }
                | Self::Stopping { .. }
                | Self::Publishing { .. }
        )
    }

    /// Holds capacity, or waits for it.
    pub(super) fn is_in_queue(&self) -> bool {
        matches!(
            self,
            Self::Queued
                | Self::Recovering
                | Self::Preparing(_)
                | Self::Starting(_)
                | Self::Running { .. }
                | Self::BackingOff { .. }
                | Self::Stopping { in_queue: true, .. }
        )
    }

    /// Nothing of the outside matters any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Ended | Self::Suspended { .. } | Self::Forgotten)
    }

    /// When the execution has taken too long.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Preparing(attempt) | Self::Starting(attempt) | Self::Running { attempt, .. } => {
                attempt.deadline
            }
            Self::Publishing { deadline, .. } => *deadline,
            _ => None,
        }
    }

    pub(super) fn wakes_at(&self) -> Option<Duration> {
        match self {
            Self::BackingOff { until, .. } => Some(*until),
            Self::Stopping { give_up_at, .. } => Some(*give_up_at),
            _ => self.deadline(),
        }
    }
}
