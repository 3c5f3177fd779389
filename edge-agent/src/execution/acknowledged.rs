//! The control plane has the newest observation.

use super::{Effect, Execution, State};

impl Execution {
    pub(super) fn acknowledged(&mut self, effects: &mut Vec<Effect>) {
        self.report.happenings.clear();
        if self.state == State::Ended {
            self.forget(effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::super::Event;
    use super::super::fixtures::{at, exited, observation, running};
    use super::*;

    #[test]
    fn an_ended_execution_is_forgotten() {
        let mut execution = running(JobType::Batch);
        execution.step(Event::TaskEnded(exited(0)), at(1));
        assert_eq!(execution.step(Event::Acknowledged, at(2)), [Effect::Forget]);
        assert_eq!(execution.step(Event::Disowned, at(3)), []);
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut execution = running(JobType::Daemon);
        assert_eq!(execution.step(Event::Acknowledged, at(1)), []);
        let effects = execution.step(Event::TaskEnded(exited(1)), at(2));
        assert_eq!(observation(&effects[0]).events.len(), 1);
    }
}
