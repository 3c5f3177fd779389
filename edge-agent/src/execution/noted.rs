//! A start that takes a while tells how it goes.

use bacalhau_protocol::model::ObservedState;

use super::{Execution, Now, State};

impl Execution {
    pub(super) fn noted(&mut self, topic: &str, message: &str, can_wait: bool, now: Now) {
        if !matches!(self.state, State::Preparing(_) | State::Starting(_)) {
            return;
        }
        self.happened(now, topic, message, &[]);
        if !can_wait {
            self.observe_if_it_lasts(ObservedState::Accepted, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{JobType, topic};

    use super::super::Event;
    use super::super::fixtures::{at, observation, preparing};
    use super::*;

    #[test]
    fn a_note_is_told_unless_the_task_runs_soon() {
        let mut execution = preparing(JobType::Batch);
        let note = |message: &str, can_wait| Event::Noted {
            topic: topic::PREPARING,
            message: message.into(),
            can_wait,
        };
        assert_eq!(execution.step(note("it is version 1", true), at(0)), []);
        assert_eq!(execution.wakes_at(), None);
        assert_eq!(execution.step(note("a quarter of it is here", false), at(0)), []);
        let due = execution.wakes_at().unwrap();
        let effects = execution.step(Event::Woken, Now { elapsed: due, ..at(0) });
        assert_eq!(observation(&effects[0]).events[1].message, "a quarter of it is here");
    }
}
