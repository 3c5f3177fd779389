//! The control plane has the newest observation that was sent.

use bacalhau_protocol::model::Event as Happening;

use super::{Effect, Execution, State};

impl Execution {
    /// What happened since then is still to be told.
    pub(super) fn acknowledged(&mut self, events: &[Happening], effects: &mut Vec<Effect>) {
        self.report.happenings.retain(|happening| !events.contains(happening));
        if self.state == State::Ended {
            self.forget(effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{JobType, topic};

    use super::super::Event;
    use super::super::fixtures::{at, exited, observation, running};
    use super::*;

    #[test]
    fn an_ended_execution_is_forgotten() {
        let mut execution = running(JobType::Batch);
        execution.step(Event::TaskEnded(exited(0)), at(1));
        assert_eq!(execution.step(Event::Acknowledged(Vec::new()), at(2)), [Effect::Forget]);
        assert_eq!(execution.step(Event::Disowned, at(3)), []);
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut execution = running(JobType::Daemon);
        let told = execution.observation().events;
        assert_eq!(execution.step(Event::Acknowledged(told), at(1)), []);
        let effects = execution.step(Event::TaskEnded(exited(1)), at(2));
        assert_eq!(observation(&effects[0]).events.len(), 1);
    }

    #[test]
    fn what_happened_while_the_acknowledgement_was_on_its_way_is_told() {
        let mut execution = running(JobType::Batch);
        let told = execution.observation().events;
        execution.step(note("meanwhile"), at(1));
        execution.step(Event::Acknowledged(told), at(2));
        let effects = execution.step(Event::TaskEnded(exited(0)), at(3));
        let events = &observation(&effects[0]).events;
        assert_eq!(events.first().map(|event| event.message.as_str()), Some("meanwhile"), "{events:?}");
    }

    fn note(message: &str) -> Event {
        Event::Noted { topic: topic::RUNNING, message: message.into(), can_wait: true }
    }
}
