//! The agent ends.

use super::{Effect, Execution, Now, State, StopCause};

/// As the record has it.
pub(super) const SUSPENDED: State = State::Suspended { may_have_run: true };

impl Execution {
    /// Tasks end with the agent; what is only waiting goes on from its record next time.
    pub(super) fn agent_stopping(&mut self, now: Now, effects: &mut Vec<Effect>) {
        match &self.state {
            // Its record was written ahead of the start, which did not come. Half of the inputs would only take the room
            // that the whole of them is asked for next time.
            State::Preparing(_) if !self.is_long_running() => {
                self.state = State::Suspended { may_have_run: false };
                self.journal(effects);
                effects.push(Effect::CleanUp);
            }
            State::Preparing(_) | State::Starting(_) | State::Running { .. } => {
                self.stop(StopCause::Shutdown, now, effects);
            }
            State::Recovering => self.let_go(effects),
            State::Publishing { .. } => {
                effects.push(Effect::Stop(StopCause::Shutdown));
                self.state = SUSPENDED;
            }
            State::Considering | State::Agreed | State::Queued | State::BackingOff { .. } => {
                self.state = SUSPENDED;
            }
            State::Stopping { .. } | State::Ended | State::Suspended { .. } | State::Forgotten => {}
        }
    }

    /// What runs goes on; the next agent takes it over.
    pub(super) fn agent_leaving(&mut self, now: Now, effects: &mut Vec<Effect>) {
        match &self.state {
            State::Running { .. } => self.let_go(effects),
            _ => self.agent_stopping(now, effects),
        }
    }

    fn let_go(&mut self, effects: &mut Vec<Effect>) {
        effects.push(Effect::LetGo);
        self.state = SUSPENDED;
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{JobType, ObservedState};

    use super::super::fixtures::{at, execution, exited, observation, preparing, published_to, running};
    use super::super::{Event, Phase, TaskEnd};
    use super::*;

    #[test]
    fn a_batch_task_ends_as_interrupted_and_a_daemon_goes_on_next_time() {
        let mut batch = running(JobType::Batch);
        assert_eq!(batch.step(Event::AgentStopping, at(50)), [Effect::Stop(StopCause::Shutdown)]);
        let effects = batch.step(Event::TaskEnded(TaskEnd::Stopped(None)), at(60));
        let told = observation(&effects[0]);
        assert_eq!(told.state, ObservedState::Failed);
        assert_eq!(told.message, "interrupted by agent restart");
        assert_eq!(told.events.last().unwrap().message, "Failing due to node restart");

        let mut daemon = running(JobType::Daemon);
        daemon.step(Event::AgentStopping, at(50));
        assert_eq!(daemon.step(Event::TaskEnded(TaskEnd::Stopped(None)), at(60)), []);
        assert_eq!(daemon.state(), &SUSPENDED);
    }

    #[test]
    fn a_task_that_outlives_the_agent_is_left_running() {
        let mut batch = running(JobType::Batch);
        assert_eq!(batch.step(Event::AgentLeaving, at(50)), [Effect::LetGo]);
        assert_eq!(batch.state(), &SUSPENDED);
        let mut starting = preparing(JobType::Batch);
        starting.step(Event::InputsReady, at(0));
        assert_eq!(starting.step(Event::AgentLeaving, at(50)), [Effect::Stop(StopCause::Shutdown)]);
    }

    #[test]
    fn a_task_whose_inputs_are_on_their_way_is_taken_up_next_time() {
        for event in [Event::AgentStopping, Event::AgentLeaving] {
            let mut ops = preparing(JobType::Ops);
            assert_eq!(ops.step(event, at(50)), [Effect::Journal, Effect::CleanUp]);
            assert_eq!(ops.record().phase, Phase::Accepted);
            assert_eq!(ops.step(Event::InputsReady, at(51)), []);
            let (mut ops, effects) = Execution::restore(ops.record(), true, at(0));
            assert_eq!(effects, [Effect::Queue]);
            assert_eq!(ops.step(Event::SlotGranted, at(0)), [Effect::Journal, Effect::PrepareInputs]);
        }
    }

    #[test]
    fn what_waits_and_what_is_being_sent_just_rests() {
        let mut waiting = execution(JobType::Batch);
        assert_eq!(waiting.step(Event::AgentStopping, at(0)), []);
        assert_eq!(waiting.step(Event::Admitted, at(1)), []);

        let mut publishing = published_to("local", running(JobType::Batch));
        publishing.step(Event::TaskEnded(exited(0)), at(1));
        assert_eq!(publishing.step(Event::AgentStopping, at(2)), [Effect::Stop(StopCause::Shutdown)]);
        assert_eq!(publishing.state(), &SUSPENDED);
    }
}
