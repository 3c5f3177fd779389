//! A start that takes a while tells how it goes, and a task what it was refused.

use bacalhau_protocol::model::ObservedState;

use super::{Execution, Now, State};

impl Execution {
    pub(super) fn noted(&mut self, topic: &str, message: &str, can_wait: bool, now: Now) {
        let observed = match self.state {
            State::Preparing(_) | State::Starting(_) => Some(ObservedState::Accepted),
            State::Running { .. } => Some(ObservedState::Running),
            State::Ended => return,
            // It may come late; the next observation takes it along.
            _ => None,
        };
        self.happened(now, topic, message, &[]);
        if let Some(observed) = observed.filter(|_| !can_wait) {
            self.observe_if_it_lasts(observed, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{JobType, topic};

    use super::super::Event;
    use super::super::fixtures::{at, observation, preparing, running};
    use super::*;

    #[test]
    fn what_a_running_task_was_refused_is_told() {
        let mut execution = running(JobType::Batch);
        let note = Event::Noted { topic: topic::RUNNING, message: "refused".into(), can_wait: false };
        execution.step(note, at(0));
        let due = execution.wakes_at().unwrap();
        let effects = execution.step(Event::Woken, Now { elapsed: due, ..at(0) });
        assert_eq!(observation(&effects[0]).state, ObservedState::Running);
        assert_eq!(observation(&effects[0]).events.last().unwrap().message, "refused");
    }

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
