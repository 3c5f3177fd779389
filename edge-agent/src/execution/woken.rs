//! A time the execution waited for has come.

use super::{Attempt, Effect, Execution, Now, State, StopCause};

impl Execution {
    pub(super) fn woken(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.state.is_over() {
            return;
        }
        if self.report.due().is_some_and(|due| due <= now.elapsed) {
            self.tell(effects);
        }
        if self.state.wakes_at().is_none_or(|due| due > now.elapsed) {
            return;
        }
        match self.state.clone() {
            State::BackingOff { failures, .. } => {
                self.state = State::Preparing(Attempt { deadline: None, failures });
                // The last one may have failed.
                self.journal(effects);
                effects.push(Effect::PrepareInputs);
            }
            State::Stopping { cause, .. } => self.stop_done(&cause, None, now, effects),
            _ => self.stop(StopCause::Timeout, now, effects),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bacalhau_protocol::model::{JobType, ObservedState, topic};

    use super::super::fixtures::{at, exited, observation, published_to, running, with_timeout};
    use super::super::{Event, TaskEnd};
    use super::*;

    fn started(mut execution: Execution) -> Execution {
        for event in [Event::Admitted, Event::SlotGranted, Event::InputsReady, Event::Started] {
            execution.step(event, at(0));
        }
        execution
    }

    #[test]
    fn a_task_that_takes_too_long_is_stopped_and_fails() {
        let mut execution = started(with_timeout(JobType::Batch, 90));
        execution.step(Event::Woken, at(100));
        assert_eq!(execution.step(Event::Woken, at(90_000)), [Effect::Stop(StopCause::Timeout)]);
        let effects = execution.step(Event::TaskEnded(TaskEnd::Stopped(None)), at(90_001));
        let told = observation(&effects[0]);
        assert_eq!(told.message, "Execution timed out after 1m30s");
        assert_eq!(told.events.last().unwrap().topic, topic::EXEC_TIMEOUT);
    }

    #[test]
    fn inputs_and_publishing_count_against_the_timeout() {
        let mut inputs = with_timeout(JobType::Ops, 5);
        inputs.step(Event::Admitted, at(0));
        inputs.step(Event::SlotGranted, at(0));
        assert_eq!(inputs.step(Event::Woken, at(5000)), [Effect::Stop(StopCause::Timeout)]);

        let mut publishing = published_to("local", started(with_timeout(JobType::Ops, 5)));
        publishing.step(Event::TaskEnded(exited(0)), at(4000));
        let effects = publishing.step(Event::Woken, at(5000));
        assert_eq!(effects.last(), Some(&Effect::Stop(StopCause::Timeout)));
        let effects = publishing.step(Event::TaskEnded(TaskEnd::Stopped(None)), at(5001));
        assert!(!effects.contains(&Effect::LeaveQueue), "its capacity was given back when the task ended");
    }

    #[test]
    fn what_does_not_end_when_told_is_waited_for_no_longer_than_the_limit() {
        let mut execution = running(JobType::Batch);
        execution.step(Event::StopWanted("job stopped".into()), at(100));
        let due = execution.wakes_at().unwrap();
        assert_eq!(due, Duration::from_millis(25), "first it is told that the task runs");
        execution.step(Event::Woken, at(100));
        let due = execution.wakes_at().unwrap();
        let effects = execution.step(Event::Woken, Now { elapsed: due, ..at(0) });
        assert_eq!(observation(&effects[0]).state, ObservedState::Stopped);
        assert_eq!(effects.last(), Some(&Effect::CleanUp));
    }
}
