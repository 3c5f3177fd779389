//! The task is over.

use std::time::Duration;

use bacalhau_protocol::model::execution::TIMED_OUT;
use bacalhau_protocol::model::{ObservedState, RunOutput, topic};

use super::report::{FAILS_EXECUTION, IS_ERROR};
use super::stopped::interrupted;
use super::suspended::SUSPENDED;
use super::{Advice, Attempt, Effect, Execution, Now, State, StopCause, TaskEnd, Verdict, text};

/// First wait before a long-running task is tried again; it doubles with each run that ends soon.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// Longest wait before a long-running task is tried again.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5 * 60);
/// A run this long wipes out the failures before it.
const STEADY_RUN: Duration = Duration::from_secs(10 * 60);

impl Execution {
    pub(super) fn task_ended(&mut self, end: TaskEnd, now: Now, effects: &mut Vec<Effect>) {
        match self.state.clone() {
            State::Preparing(attempt) | State::Starting(attempt) => {
                self.attempt_ended(attempt, None, end, now, effects)
            }
            State::Running { attempt, since } => self.attempt_ended(attempt, Some(since), end, now, effects),
            State::Stopping { cause, .. } => self.stop_done(&cause, end.into_output(), now, effects),
            _ => {}
        }
    }

    fn attempt_ended(
        &mut self,
        attempt: Attempt,
        since: Option<Duration>,
        end: TaskEnd,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_long_running() {
            let steady = since.is_some_and(|since| now.elapsed.saturating_sub(since) >= STEADY_RUN);
            let failures = if steady { 0 } else { attempt.failures };
            return self.back_off(failures, &end, now, effects);
        }
        match end {
            TaskEnd::Exited(output) if output.exit_code == 0 => {
                self.ran(Verdict::Completed, output, attempt.deadline, now, effects);
            }
            TaskEnd::Exited(output) => {
                let message = format!("exit code {}", output.exit_code);
                self.ran(Verdict::Failed(message), output, attempt.deadline, now, effects);
            }
            TaskEnd::Broken { message, output } => {
                self.ran(Verdict::Failed(message), output, attempt.deadline, now, effects);
            }
            TaskEnd::NotStarted { topic, message, advice } => {
                self.fail_with(topic, &message, &advice, now, effects)
            }
            TaskEnd::Stopped(output) => {
                self.report.output = output;
                self.fail(topic::RUNNING, "the engine stopped the task", now, effects);
            }
        }
    }

    /// The task is over: its results are sent, if anywhere.
    fn ran(
        &mut self,
        verdict: Verdict,
        output: RunOutput,
        deadline: Option<Duration>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if let Verdict::Failed(message) = &verdict {
            self.happened(now, topic::RUNNING, &message.clone(), &[IS_ERROR]);
        }
        self.report.output = Some(output.clone());
        if self.work.task.publisher.is_none() {
            return self.conclude(verdict, now, effects);
        }
        self.state = State::Publishing { verdict, output, deadline };
        effects.push(Effect::LeaveQueue);
        self.journal(effects);
        effects.push(Effect::Publish);
        self.observe_if_it_lasts(ObservedState::Publishing, now);
    }

    pub(super) fn conclude(&mut self, verdict: Verdict, now: Now, effects: &mut Vec<Effect>) {
        match verdict {
            Verdict::Completed => {
                self.happened(now, topic::EXECUTION, "Completed successfully", &[]);
                self.end(ObservedState::Completed, "", effects);
            }
            Verdict::Failed(message) => self.end(ObservedState::Failed, &message, effects),
        }
    }

    pub(super) fn fail(&mut self, topic: &str, message: &str, now: Now, effects: &mut Vec<Effect>) {
        self.fail_with(topic, message, &Advice::default(), now, effects);
    }

    fn fail_with(
        &mut self,
        topic: &str,
        message: &str,
        advice: &Advice,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.happened(now, topic, message, &[IS_ERROR, FAILS_EXECUTION]);
        self.advise(advice);
        self.end(ObservedState::Failed, message, effects);
    }

    fn back_off(&mut self, failures: u32, end: &TaskEnd, now: Now, effects: &mut Vec<Effect>) {
        let wait = FIRST_BACK_OFF.saturating_mul(1 << failures.min(16)).min(LONGEST_BACK_OFF);
        self.state = State::BackingOff { failures: failures.saturating_add(1), until: now.elapsed + wait };
        let message = format!("{}; starts again in {}", end.describe(), text::duration(wait));
        self.happened(now, end.topic(), &message, &[IS_ERROR]);
        if let TaskEnd::NotStarted { advice, .. } = end {
            self.advise(advice);
        }
        self.observe(ObservedState::Accepted, &message, effects);
    }

    /// What was told to end has ended, or was waited for long enough.
    pub(super) fn stop_done(
        &mut self,
        cause: &StopCause,
        output: Option<RunOutput>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.report.output = output.or_else(|| self.report.output.take());
        match cause {
            StopCause::Unwanted(reason) => self.end(ObservedState::Stopped, reason, effects),
            StopCause::Disowned => self.forget(effects),
            StopCause::Timeout => self.timed_out(now, effects),
            StopCause::Shutdown if self.is_long_running() => self.state = SUSPENDED,
            StopCause::Shutdown => interrupted(self, now, effects),
        }
    }

    fn timed_out(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let limit = self.work.task.timeouts.execution().unwrap_or_default();
        let message = format!("{TIMED_OUT} after {}", text::duration(limit));
        self.fail(topic::EXEC_TIMEOUT, &message, now, effects);
    }
}

impl TaskEnd {
    fn into_output(self) -> Option<RunOutput> {
        match self {
            Self::Exited(output) | Self::Broken { output, .. } => Some(output),
            Self::NotStarted { .. } => None,
            Self::Stopped(output) => output,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Exited(output) => format!("the task ended with exit code {}", output.exit_code),
            Self::Broken { message, .. } | Self::NotStarted { message, .. } => message.clone(),
            Self::Stopped(_) => "the engine stopped the task".to_owned(),
        }
    }

    fn topic(&self) -> &'static str {
        match self {
            Self::NotStarted { topic, .. } => topic,
            _ => topic::RUNNING,
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::super::fixtures::{at, exited, observation, preparing, published_to, running};
    use super::super::{Event, Phase};
    use super::*;

    #[test]
    fn a_good_end_is_told_and_written_at_once() {
        let effects = running(JobType::Ops).step(Event::TaskEnded(exited(0)), at(1));
        assert_eq!(observation(&effects[0]).state, ObservedState::Completed);
        assert_eq!(effects[1..], [Effect::Journal, Effect::LeaveQueue, Effect::CleanUp]);
    }

    #[test]
    fn an_exit_code_is_a_failure_whose_results_are_sent_all_the_same() {
        let mut execution = published_to("local", running(JobType::Batch));
        let effects = execution.step(Event::TaskEnded(exited(3)), at(1));
        assert_eq!(effects, [Effect::LeaveQueue, Effect::Journal, Effect::Publish]);
        let effects = execution.step(Event::Published(None), at(2));
        let told = observation(&effects[0]);
        assert_eq!((told.state, told.message.as_str()), (ObservedState::Failed, "exit code 3"));
        assert_eq!(told.output.as_ref().unwrap().exit_code, 3);
    }

    #[test]
    fn inputs_that_do_not_come_fail_a_batch_execution() {
        let end = TaskEnd::NotStarted {
            topic: topic::PREPARING,
            message: "no such file".into(),
            advice: Advice { code: "Local:NotFound".into(), hint: "mend it".into() },
        };
        let effects = preparing(JobType::Batch).step(Event::TaskEnded(end), at(1));
        assert_eq!(observation(&effects[0]).message, "no such file");
        let event = &observation(&effects[0]).events[0];
        assert_eq!(event.topic, topic::PREPARING);
        assert_eq!(event.details["ErrorCode"], "Local:NotFound");
        assert_eq!(event.details["Hint"], "mend it");
    }

    #[test]
    fn a_daemon_is_tried_again_with_growing_waits_that_a_steady_run_resets() {
        let mut execution = running(JobType::Daemon);
        let (mut time, mut waits) = (100, Vec::new());
        for _ in 0..11 {
            execution.step(Event::TaskEnded(exited(1)), at(time));
            let until = u64::try_from(execution.wakes_at().unwrap().as_millis()).unwrap();
            waits.push((until - time) / 1000);
            assert_eq!(execution.step(Event::Woken, at(until)), [Effect::PrepareInputs]);
            execution.step(Event::InputsReady, at(until));
            execution.step(Event::Started, at(until));
            time = until + 10;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        execution.step(Event::TaskEnded(exited(0)), at(time + 600_000));
        assert_eq!(execution.wakes_at(), Some(Duration::from_millis(time + 601_000)));
    }

    #[test]
    fn a_restarted_daemon_stays_running_for_the_control_plane() {
        let mut execution = running(JobType::Daemon);
        let effects = execution.step(Event::TaskEnded(exited(1)), at(10));
        let told = observation(&effects[0]);
        assert_eq!(told.state, ObservedState::Running);
        assert_eq!(told.message, "the task ended with exit code 1; starts again in 1s");
        assert_eq!(execution.record().phase, Phase::Started);
    }
}
