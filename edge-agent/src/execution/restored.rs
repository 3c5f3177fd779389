//! An execution of an earlier agent process, as the journal has it.

use std::sync::Arc;

use bacalhau_protocol::model::{DesiredState, ObservedState, topic};

use super::report::Report;
use super::stopped::interrupted;
use super::{Attempt, Effect, Execution, Journaled, Now, Phase, Record, State};

impl Execution {
    /// Goes on from a record: a task that may have run is not run again unless its job is long-running. Where tasks
    /// outlive the agent it is looked for first. What was taken once is not considered again: a device that boots
    /// without network could neither ask the operator's probe nor be given the work anew.
    pub fn restore(record: Record, outlives_agent: bool, now: Now) -> (Self, Vec<Effect>) {
        let mut execution = Self {
            id: record.execution_id,
            work: Arc::new(record.work),
            generation: record.generation,
            desired: record.desired,
            state: State::Considering,
            report: Report::new(told(&record.phase)),
            journaled: Journaled::Says(record.generation, record.phase.rank()),
        };
        let mut effects = Vec::new();
        execution.resume(record.phase, outlives_agent, now, &mut effects);
        (execution, effects)
    }

    fn resume(&mut self, phase: Phase, outlives_agent: bool, now: Now, effects: &mut Vec<Effect>) {
        match phase {
            Phase::Ended(last) => {
                self.state = State::Ended;
                effects.push(Effect::Observe(last));
            }
            _ if self.desired == DesiredState::Stopped => self.end(ObservedState::Stopped, "", effects),
            Phase::Ran { verdict, output } => {
                self.report.output = Some(output.clone());
                let limit = self.work.task.timeouts.execution();
                let deadline = limit.map(|limit| now.elapsed.saturating_add(limit));
                self.state = State::Publishing { verdict, output, deadline };
                effects.push(Effect::Publish);
            }
            Phase::Started if outlives_agent => {
                self.state = State::Recovering;
                // Before anybody else is given the room.
                effects.extend([Effect::Occupy, Effect::Adopt]);
            }
            Phase::Started => self.went_down(now, effects),
            Phase::Accepted => {
                self.state = State::Queued;
                effects.push(Effect::Queue);
            }
        }
    }

    /// The task ended with the earlier agent process. A long-running one has its capacity again, whatever else has come
    /// to the node since: its own files may be what is missing of the disk.
    pub(super) fn went_down(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.is_long_running() {
            return interrupted(self, now, effects);
        }
        if !self.state.is_in_queue() {
            effects.push(Effect::Occupy);
        }
        self.state = State::Preparing(Attempt::default());
        self.happened(now, topic::EXECUTION, "Restarting after agent restart", &[]);
        effects.push(Effect::PrepareInputs);
    }
}

/// The least the control plane can have heard.
fn told(phase: &Phase) -> ObservedState {
    match phase {
        Phase::Accepted => ObservedState::Unheard,
        Phase::Started => ObservedState::Accepted,
        Phase::Ran { .. } => ObservedState::Publishing,
        Phase::Ended(last) => last.state,
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::super::Event;
    use super::super::fixtures::{at, execution, exited, observation, published_to, running};
    use super::*;

    fn restored(execution: &Execution) -> (Execution, Vec<Effect>) {
        Execution::restore(execution.record(), false, at(0))
    }

    #[test]
    fn a_task_that_may_have_run_is_not_run_again() {
        let (_, effects) = restored(&running(JobType::Ops));
        let told = observation(&effects[0]);
        assert_eq!(told.message, "interrupted by agent restart");
        assert_eq!(told.events[0].details["FailsExecution"], "true");
        assert_eq!(effects[1..], [Effect::Journal, Effect::CleanUp]);
    }

    #[test]
    fn a_daemon_is_run_again() {
        let (execution, effects) = restored(&running(JobType::Daemon));
        assert_eq!(
            effects,
            [Effect::Occupy, Effect::PrepareInputs],
            "its record says already that it may run"
        );
        assert_eq!(execution.record().phase, Phase::Started);
    }

    #[test]
    fn what_waited_waits_again_and_is_not_considered_again() {
        let mut execution = execution(JobType::Ops);
        execution.step(Event::Admitted, at(0));
        execution.step(Event::MustWait, at(0));
        let (mut execution, effects) = restored(&execution);
        assert_eq!(effects, [Effect::Queue]);
        assert_eq!(execution.step(Event::Refused("the probe cannot be asked".into()), at(0)), []);
    }

    #[test]
    fn sending_results_goes_on_where_it_was_cut_off() {
        let mut execution = published_to("local", running(JobType::Batch));
        execution.step(Event::TaskEnded(exited(4)), at(1));
        let (mut execution, effects) = restored(&execution);
        assert_eq!(effects, [Effect::Publish]);
        let effects = execution.step(Event::Published(None), at(1));
        assert_eq!(observation(&effects[0]).message, "exit code 4");
    }

    #[test]
    fn an_end_is_told_until_it_is_acknowledged() {
        let mut execution = running(JobType::Batch);
        let effects = execution.step(Event::TaskEnded(exited(0)), at(1));
        let (mut execution, again) = restored(&execution);
        assert_eq!(again, effects[..1]);
        assert_eq!(execution.step(Event::Acknowledged(Vec::new()), at(1)), [Effect::Forget]);
    }

    #[test]
    fn a_daemon_that_was_stopped_stays_stopped() {
        let mut execution = running(JobType::Daemon);
        let stop = Event::Wished { generation: 2, desired: DesiredState::Stopped, reason: String::new() };
        execution.step(stop, at(50));
        let (_, effects) = restored(&execution);
        assert_eq!(observation(&effects[0]).state, ObservedState::Stopped);
    }
}
