//! The engine's answer about a task that an earlier agent process started.

use std::time::Duration;

use bacalhau_protocol::model::{ObservedState, topic};

use super::{Attempt, Effect, Execution, Now, State};

impl Execution {
    /// The timeout goes on where it was: the task ran while no agent looked.
    pub(super) fn adopted(&mut self, ran_for: Duration, now: Now, effects: &mut Vec<Effect>) {
        if self.state != State::Recovering {
            return;
        }
        let limit = if self.is_long_running() { None } else { self.work.task.timeouts.execution() };
        let deadline = limit.map(|limit| now.elapsed.saturating_add(limit.saturating_sub(ran_for)));
        let since = now.elapsed.saturating_sub(ran_for);
        self.state = State::Running { attempt: Attempt { deadline, failures: 0 }, since };
        self.happened(now, topic::EXECUTION, "Taken over after agent restart", &[]);
        if self.is_long_running() {
            self.observe(ObservedState::Running, "", effects);
        } else {
            self.observe_if_it_lasts(ObservedState::Running, now);
        }
    }

    pub(super) fn nothing_to_adopt(&mut self, now: Now, effects: &mut Vec<Effect>) {
        match self.state.clone() {
            State::Recovering => self.went_down(now, effects),
            // The word to stop came while the engine looked.
            State::Stopping { cause, .. } => self.stop_done(&cause, None, now, effects),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::super::fixtures::{at, exited, observation, preparing, running, with_timeout};
    use super::super::{Event, StopCause};
    use super::*;

    fn recovering(execution: &Execution) -> Execution {
        let (execution, effects) = Execution::restore(execution.record(), true, at(0));
        assert_eq!(effects, [Effect::Occupy, Effect::Adopt]);
        execution
    }

    fn adopt(execution: &mut Execution, seconds: u64) -> Vec<Effect> {
        execution.step(Event::Adopted { ran_for: Duration::from_secs(seconds) }, at(0))
    }

    #[test]
    fn the_result_of_a_task_that_survived_is_told_as_any_other() {
        for job_type in [JobType::Ops, JobType::Batch] {
            let mut execution = recovering(&running(job_type));
            assert_eq!(adopt(&mut execution, 5), []);
            let effects = execution.step(Event::TaskEnded(exited(0)), at(1));
            assert_eq!(observation(&effects[0]).state, ObservedState::Completed);
            assert_eq!(effects[1..], [Effect::Journal, Effect::LeaveQueue, Effect::CleanUp]);
        }
    }

    #[test]
    fn the_timeout_counts_from_the_first_start() {
        let mut timed = with_timeout(JobType::Batch, 60);
        for event in [Event::Admitted, Event::SlotGranted, Event::InputsReady, Event::Started] {
            timed.step(event, at(0));
        }
        let mut execution = recovering(&timed);
        adopt(&mut execution, 50);
        assert_eq!(execution.step(Event::Woken, at(10_000)).last(), Some(&Effect::Stop(StopCause::Timeout)));
    }

    #[test]
    fn an_ops_task_of_which_nothing_is_left_was_interrupted() {
        let mut execution = recovering(&running(JobType::Ops));
        let effects = execution.step(Event::NothingToAdopt, at(0));
        assert_eq!(observation(&effects[0]).message, "interrupted by agent restart");
        assert_eq!(effects[1..], [Effect::Journal, Effect::LeaveQueue, Effect::CleanUp]);
    }

    #[test]
    fn a_daemon_of_which_nothing_is_left_starts_again() {
        let mut execution = recovering(&preparing(JobType::Daemon));
        assert_eq!(
            execution.step(Event::NothingToAdopt, at(0)),
            [Effect::PrepareInputs],
            "it holds its capacity"
        );
        assert_eq!(execution.step(Event::InputsReady, at(0)), [Effect::Start]);
    }

    #[test]
    fn a_daemon_that_survived_is_running() {
        let effects = adopt(&mut recovering(&running(JobType::Daemon)), 5);
        assert_eq!(observation(&effects[0]).state, ObservedState::Running);
    }

    #[test]
    fn a_stop_reaches_a_task_that_is_being_looked_for() {
        let mut execution = recovering(&running(JobType::Batch));
        let effects = execution.step(Event::StopWanted("job stopped".into()), at(0));
        assert!(matches!(effects[..], [Effect::Stop(_)]), "{effects:?}");
        let effects = execution.step(Event::NothingToAdopt, at(1));
        assert_eq!(observation(&effects[0]).state, ObservedState::Stopped);
    }
}
