//! Whether the node takes an execution.

use bacalhau_protocol::model::{DesiredState, ObservedState, topic};

use super::report::IS_ERROR;
use super::{Effect, Execution, Now, State};

impl Execution {
    pub(super) fn admitted(&mut self, effects: &mut Vec<Effect>) {
        if self.state != State::Considering {
            return;
        }
        if self.desired == DesiredState::Pending {
            self.state = State::Agreed;
            self.observe(ObservedState::Agreed, "", effects);
        } else {
            self.state = State::Queued;
            effects.push(Effect::Queue);
        }
    }

    pub(super) fn refused(&mut self, reasons: &str, now: Now, effects: &mut Vec<Effect>) {
        if self.state != State::Considering {
            return;
        }
        self.happened(now, topic::EXEC_SCANNING, reasons, &[IS_ERROR]);
        self.end(ObservedState::Refused, reasons, effects);
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::super::Event;
    use super::super::fixtures::{at, execution, observation, running};
    use super::*;

    #[test]
    fn an_admitted_execution_goes_to_the_queue_without_a_word() {
        let mut execution = execution(JobType::Ops);
        assert_eq!(execution.step(Event::Admitted, at(0)), [Effect::Queue]);
    }

    #[test]
    fn a_refusal_is_told_with_its_reasons_and_leaves_no_record() {
        let mut execution = execution(JobType::Ops);
        let effects = execution.step(Event::Refused("rejected bid: no".into()), at(0));
        assert_eq!(observation(&effects[0]).state, ObservedState::Refused);
        assert_eq!(observation(&effects[0]).events[0].topic, topic::EXEC_SCANNING);
        assert_eq!(effects[1..], [Effect::CleanUp]);
    }

    #[test]
    fn a_late_answer_changes_nothing() {
        let mut execution = running(JobType::Ops);
        assert_eq!(execution.step(Event::Refused("no".into()), at(50)), []);
        assert_eq!(execution.step(Event::Admitted, at(50)), []);
    }
}
