//! Inputs are there; the task runs.

use bacalhau_protocol::model::{ObservedState, topic};

use super::{Advice, Effect, Execution, Journaled, Now, State, TaskEnd};

impl Execution {
    pub(super) fn inputs_ready(&mut self, now: Now, effects: &mut Vec<Effect>) {
        match self.state.clone() {
            State::Preparing(attempt) => {
                self.state = State::Starting(attempt);
                effects.push(Effect::Start);
            }
            // The word to stop came too late for the inputs, so this is the end of what was going on.
            State::Stopping { cause, .. } => self.stop_done(&cause, None, now, effects),
            _ => {}
        }
    }

    pub(super) fn started(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let State::Starting(attempt) = self.state else { return };
        self.state = State::Running { attempt, since: now.elapsed };
        self.happened(now, topic::EXECUTION, "Running", &[]);
        if self.is_long_running() {
            self.observe(ObservedState::Running, "", effects);
        } else {
            self.observe_if_it_lasts(ObservedState::Running, now);
        }
    }

    /// What is tried again is written again first.
    pub(super) fn not_written(&mut self, message: String, now: Now, effects: &mut Vec<Effect>) {
        self.journaled = Journaled::Unknown;
        let end = TaskEnd::NotStarted { topic: topic::PREPARING, message, advice: Advice::default() };
        self.task_ended(end, now, effects);
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::super::Event;
    use super::super::fixtures::{at, observation, preparing, running};
    use super::*;

    #[test]
    fn what_could_not_be_written_is_written_before_the_next_start() {
        let mut daemon = preparing(JobType::Daemon);
        daemon.step(Event::InputsReady, at(0));
        let effects = daemon.step(Event::NotWritten("disk full".into()), at(1));
        assert_eq!(observation(&effects[0]).message, "disk full; starts again in 1s");
        let effects = daemon.step(Event::Woken, at(1001));
        assert_eq!(effects, [Effect::Journal, Effect::PrepareInputs]);
        assert_eq!(daemon.step(Event::InputsReady, at(1001)), [Effect::Start]);

        let mut ops = preparing(JobType::Ops);
        ops.step(Event::InputsReady, at(0));
        let effects = ops.step(Event::NotWritten("disk full".into()), at(1));
        assert_eq!(observation(&effects[0]).state, ObservedState::Failed);
    }

    #[test]
    fn the_task_starts_when_its_inputs_are_there() {
        let mut execution = preparing(JobType::Batch);
        assert_eq!(execution.step(Event::InputsReady, at(0)), [Effect::Start]);
        assert_eq!(execution.step(Event::InputsReady, at(0)), [], "and only once");
    }

    #[test]
    fn inputs_that_come_after_the_word_to_stop_end_it() {
        let mut execution = preparing(JobType::Batch);
        execution.step(Event::StopWanted("job stopped".into()), at(0));
        let effects = execution.step(Event::InputsReady, at(1));
        assert_eq!(observation(&effects[0]).state, ObservedState::Stopped);
    }

    #[test]
    fn a_task_that_lasts_is_reported_running_and_a_short_one_only_at_its_end() {
        let mut lasting = running(JobType::Batch);
        let mut short = lasting.clone();
        let due = lasting.wakes_at().unwrap();
        let effects = lasting.step(Event::Woken, Now { elapsed: due, ..at(0) });
        assert_eq!(observation(&effects[0]).state, ObservedState::Running);
        assert_eq!(lasting.wakes_at(), None);

        let effects = short.step(Event::TaskEnded(TaskEnd::Exited(Default::default())), at(1));
        let states: Vec<_> = effects.iter().filter(|e| matches!(e, Effect::Observe(_))).collect();
        assert_eq!(states.len(), 1);
        assert_eq!(observation(states[0]).state, ObservedState::Completed);
    }

    #[test]
    fn a_daemon_is_reported_running_at_once() {
        let mut execution = preparing(JobType::Daemon);
        execution.step(Event::InputsReady, at(0));
        let effects = execution.step(Event::Started, at(0));
        assert_eq!(observation(&effects[0]).state, ObservedState::Running);
    }
}
