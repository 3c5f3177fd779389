//! Results are sent, or could not be.

use bacalhau_protocol::model::{SpecConfig, topic};

use super::report::{FAILS_EXECUTION, IS_ERROR};
use super::{Effect, Execution, Now, State, Verdict};

impl Execution {
    pub(super) fn published(&mut self, results: Option<SpecConfig>, now: Now, effects: &mut Vec<Effect>) {
        match self.state.clone() {
            State::Publishing { verdict, .. } => {
                self.report.published = results;
                self.conclude(verdict, now, effects);
            }
            State::Stopping { cause, .. } => self.stop_done(&cause, None, now, effects),
            _ => {}
        }
    }

    pub(super) fn publish_failed(&mut self, reason: &str, now: Now, effects: &mut Vec<Effect>) {
        match self.state.clone() {
            State::Publishing { verdict, .. } => {
                let failure = format!("failed to publish result: {reason}");
                self.happened(now, topic::PUBLISHING, &failure, &[IS_ERROR, FAILS_EXECUTION]);
                let message = match verdict {
                    Verdict::Completed => failure,
                    Verdict::Failed(first) => format!("{first}; {failure}"),
                };
                self.conclude(Verdict::Failed(message), now, effects);
            }
            State::Stopping { cause, .. } => self.stop_done(&cause, None, now, effects),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{JobType, ObservedState};

    use super::super::Event;
    use super::super::fixtures::{at, exited, observation, published_to, running};
    use super::*;

    fn publishing(exit_code: i32) -> Execution {
        let mut execution = published_to("local", running(JobType::Ops));
        execution.step(Event::TaskEnded(exited(exit_code)), at(1));
        execution
    }

    #[test]
    fn the_place_of_the_results_is_told_with_the_end() {
        let place = SpecConfig { kind: "urlDownload".into(), params: "{}".into() };
        let effects = publishing(0).step(Event::Published(Some(place.clone())), at(2));
        let told = observation(&effects[0]);
        assert_eq!((told.state, &told.published), (ObservedState::Completed, &Some(place)));
        assert_eq!(effects[1..], [Effect::Journal, Effect::CleanUp], "its capacity was given back before");
    }

    #[test]
    fn a_failed_publisher_fails_the_execution_and_hides_no_earlier_failure() {
        let message = |exit_code| {
            let effects = publishing(exit_code).step(Event::PublishFailed("disk full".into()), at(2));
            let told = observation(&effects[0]).clone();
            assert_eq!(told.state, ObservedState::Failed);
            told.message
        };
        assert_eq!(message(0), "failed to publish result: disk full");
        assert_eq!(message(2), "exit code 2; failed to publish result: disk full");
    }
}
