//! The agent ends.

use super::{Effect, Execution, Now, State, StopCause};

impl Execution {
    /// Tasks end with the agent; what is only waiting goes on from its record next time.
    pub(super) fn agent_stopping(&mut self, now: Now, effects: &mut Vec<Effect>) {
        match &self.state {
            State::Preparing(_) | State::Starting(_) | State::Running { .. } => {
                self.stop(StopCause::Shutdown, now, effects);
            }
            State::Recovering => self.let_go(effects),
            State::Publishing { .. } => {
                effects.push(Effect::Stop(StopCause::Shutdown));
                self.state = State::Suspended;
            }
            State::Considering | State::Agreed | State::Queued | State::BackingOff { .. } => {
                self.state = State::Suspended;
            }
            State::Stopping { .. } | State::Ended | State::Suspended | State::Forgotten => {}
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
        self.state = State::Suspended;
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{JobType, ObservedState};

    use super::super::fixtures::{at, execution, exited, observation, published_to, running};
    use super::super::{Event, TaskEnd};
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
        assert_eq!(daemon.state(), &State::Suspended);
    }

    #[test]
    fn a_task_that_outlives_the_agent_is_left_running() {
        let mut batch = running(JobType::Batch);
        assert_eq!(batch.step(Event::AgentLeaving, at(50)), [Effect::LetGo]);
        assert_eq!(batch.state(), &State::Suspended);
        let mut starting = super::super::fixtures::preparing(JobType::Batch);
        assert_eq!(starting.step(Event::AgentLeaving, at(50)), [Effect::Stop(StopCause::Shutdown)]);
    }

    #[test]
    fn what_waits_and_what_is_being_sent_just_rests() {
        let mut waiting = execution(JobType::Batch);
        assert_eq!(waiting.step(Event::AgentStopping, at(0)), []);
        assert_eq!(waiting.step(Event::Admitted, at(1)), []);

        let mut publishing = published_to("local", running(JobType::Batch));
        publishing.step(Event::TaskEnded(exited(0)), at(1));
        assert_eq!(publishing.step(Event::AgentStopping, at(2)), [Effect::Stop(StopCause::Shutdown)]);
        assert_eq!(publishing.state(), &State::Suspended);
    }
}
