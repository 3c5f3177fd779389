//! How an execution counts for its job.

use bacalhau_protocol::model::execution::TIMED_OUT;
use bacalhau_protocol::model::{DesiredState, Execution, ObservedState};

use super::message::StopReason;

/// Desired message of an execution that its node stopped although it was wanted.
pub const ENDED_UNASKED: &str = "execution stopped";

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
            ObservedState::Failed if execution.observed_message.starts_with(TIMED_OUT) => Self::TimedOut,
            // Ended here, when its node was rejected or deleted, and not by a report.
            ObservedState::Failed
                if StopReason::tells_lost(&execution.desired_message)
                    && execution.observed_message == execution.desired_message =>
            {
                Self::Lost
            }
            ObservedState::Failed => Self::Failed,
            ObservedState::Refused => Self::Refused,
            observed => match (execution.desired, stop) {
                (DesiredState::Stopped, _) => Self::of_stopped(&execution.desired_message),
                (_, Some(reason)) => Self::of_stopped(&reason.text()),
                _ if observed == ObservedState::Stopped => Self::Failed,
                _ => Self::Live,
            },
        }
    }

    fn of_stopped(message: &str) -> Self {
        match message {
            text if text.starts_with(TIMED_OUT) => Self::TimedOut,
            text if StopReason::tells_lost(text) => Self::Lost,
            ENDED_UNASKED => Self::Failed,
            _ => Self::Stopped,
        }
    }

    /// The task ran, or might have, and did not end well.
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::tests::world::{World, node, spec};
    use bacalhau_protocol::model::JobType;

    fn placed() -> Execution {
        let mut world = World::new(spec(JobType::Service, 1));
        world.add(node("a"));
        world.apply(&world.plan());
        world.executions.into_values().next().expect("the node takes it")
    }

    fn outcome(desired: (DesiredState, &str), observed: (ObservedState, &str)) -> Outcome {
        let execution = Execution {
            desired: desired.0,
            desired_message: desired.1.to_owned(),
            observed: observed.0,
            observed_message: observed.1.to_owned(),
            ..placed()
        };
        Outcome::of(&execution, None)
    }

    #[test]
    fn silence_and_removal_of_a_node_are_no_failure_of_the_task() {
        let gone = StopReason::NodeDisappeared.text();
        let stopped = |observed| outcome((DesiredState::Stopped, &gone), (observed, ""));
        assert_eq!(stopped(ObservedState::Running), Outcome::Lost);
        assert_eq!(stopped(ObservedState::Stopped), Outcome::Lost);
        assert_eq!(stopped(ObservedState::Completed), Outcome::Completed);
        let rejected = StopReason::NodeRejected.text();
        let ended = outcome((DesiredState::Stopped, &rejected), (ObservedState::Failed, &rejected));
        assert_eq!(ended, Outcome::Lost);
    }

    #[test]
    fn no_node_can_report_that_it_was_lost() {
        for text in [StopReason::Unreachable.text(), StopReason::NodeDisappeared.text()] {
            let failed = |desired| outcome(desired, (ObservedState::Failed, &text));
            assert_eq!(failed((DesiredState::Running, "")), Outcome::Failed);
            assert_eq!(failed((DesiredState::Stopped, "execution failed")), Outcome::Failed);
        }
    }

    #[test]
    fn what_a_node_ends_unasked_has_failed() {
        let running = (DesiredState::Running, "");
        assert_eq!(outcome(running, (ObservedState::Stopped, "")), Outcome::Failed);
        assert_eq!(
            outcome((DesiredState::Stopped, ENDED_UNASKED), (ObservedState::Stopped, "")),
            Outcome::Failed
        );
        assert_eq!(
            outcome(running, (ObservedState::Failed, "Execution timed out after 5s")),
            Outcome::TimedOut
        );
    }
}
