//! The local queue's answer.

use bacalhau_protocol::model::ObservedState;

use super::{Attempt, Effect, Execution, Now, State};

impl Execution {
    /// The execution timeout starts here: waiting is not the task's fault.
    pub(super) fn slot_granted(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.state != State::Queued {
            return;
        }
        let limit = if self.is_long_running() { None } else { self.work.task.timeouts.execution() };
        let deadline = limit.map(|limit| now.elapsed.saturating_add(limit));
        self.state = State::Preparing(Attempt { deadline, failures: 0 });
        // The record reaches the disk while the inputs come; only the start waits for both.
        self.journal(effects);
        effects.push(Effect::PrepareInputs);
    }

    pub(super) fn must_wait(&mut self, effects: &mut Vec<Effect>) {
        if self.state == State::Queued {
            self.journal(effects);
            self.observe(ObservedState::Accepted, "waits for capacity on the node", effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bacalhau_protocol::model::JobType;

    use super::super::fixtures::{at, execution, observation, with_timeout};
    use super::super::{Event, Phase};
    use super::*;

    #[test]
    fn the_record_is_written_while_the_inputs_come() {
        let mut execution = execution(JobType::Batch);
        execution.step(Event::Admitted, at(0));
        let effects = execution.step(Event::SlotGranted, at(0));
        assert_eq!(effects, [Effect::Journal, Effect::PrepareInputs]);
        assert_eq!(execution.record().phase, Phase::Started);
    }

    #[test]
    fn waiting_is_written_before_it_is_told_and_does_not_count_as_running_time() {
        let mut execution = with_timeout(JobType::Batch, 10);
        execution.step(Event::Admitted, at(0));
        let effects = execution.step(Event::MustWait, at(0));
        assert_eq!(effects[0], Effect::Journal);
        assert_eq!(observation(&effects[1]).state, ObservedState::Accepted);
        assert_eq!(execution.record().phase, Phase::Accepted);
        assert_eq!(execution.wakes_at(), None);
        execution.step(Event::SlotGranted, at(60_000));
        assert_eq!(execution.wakes_at(), Some(Duration::from_secs(70)));
    }

    #[test]
    fn a_daemon_has_no_execution_timeout() {
        let mut execution = with_timeout(JobType::Daemon, 10);
        execution.step(Event::Admitted, at(0));
        execution.step(Event::SlotGranted, at(0));
        assert_eq!(execution.wakes_at(), None);
    }
}
