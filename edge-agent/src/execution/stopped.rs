//! An execution is not wanted, or not known, or must end with the agent.

use std::time::Duration;

use bacalhau_protocol::model::{DesiredState, ObservedState, topic};

use super::report::{FAILS_EXECUTION, IS_ERROR};
use super::{Effect, Execution, Now, State, StopCause};

/// How long something told to end is waited for. Engines end their tasks in less; beyond it the execution ends without.
const STOP_LIMIT: Duration = Duration::from_secs(60);

impl Execution {
    pub(super) fn stop_wanted(&mut self, reason: &str, now: Now, effects: &mut Vec<Effect>) {
        self.desired = DesiredState::Stopped;
        match &mut self.state {
            State::Ended | State::Suspended { .. } | State::Forgotten => {}
            State::Stopping { cause, .. } => {
                if *cause == StopCause::Shutdown {
                    *cause = StopCause::Unwanted(reason.to_owned());
                }
            }
            state if state.is_busy() => self.stop(StopCause::Unwanted(reason.to_owned()), now, effects),
            _ => self.end(ObservedState::Stopped, reason, effects),
        }
    }

    pub(super) fn disowned(&mut self, now: Now, effects: &mut Vec<Effect>) {
        match &mut self.state {
            State::Suspended { .. } | State::Forgotten => {}
            State::Stopping { cause, .. } => *cause = StopCause::Disowned,
            state if state.is_busy() => self.stop(StopCause::Disowned, now, effects),
            _ => self.forget(effects),
        }
    }

    /// Tells whatever is going on to end.
    pub(super) fn stop(&mut self, cause: StopCause, now: Now, effects: &mut Vec<Effect>) {
        // Publishing holds no capacity, stopping does: what left the queue must not leave it again.
        let in_queue = self.state.is_in_queue();
        effects.push(Effect::Stop(cause.clone()));
        self.state = State::Stopping { cause, in_queue, give_up_at: now.elapsed.saturating_add(STOP_LIMIT) };
    }

    pub(super) fn forget(&mut self, effects: &mut Vec<Effect>) {
        if self.state.is_in_queue() {
            effects.push(Effect::LeaveQueue);
        }
        if self.state != State::Ended {
            effects.push(Effect::CleanUp);
        }
        self.state = State::Forgotten;
        effects.push(Effect::Forget);
    }
}

/// Ends a batch or ops execution whose task went down with the agent.
pub(super) fn interrupted(execution: &mut Execution, now: Now, effects: &mut Vec<Effect>) {
    execution.happened(now, topic::EXECUTION, "Failing due to node restart", &[IS_ERROR, FAILS_EXECUTION]);
    execution.end(ObservedState::Failed, "interrupted by agent restart", effects);
}
