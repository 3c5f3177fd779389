//! What the control plane is told of an execution, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use bacalhau_protocol::model::{Event as Happening, Observation, ObservedState, RunOutput, SpecConfig};

use crate::fleet_time::Correction;

use super::{Advice, Effect, Execution, Journaled, Now, State};

/// A short task is over before anybody could look: a state on the way is told only if it lasts this long, which saves
/// a message and a commit of the control plane for each of them.
pub(super) const SETTLE: Duration = Duration::from_millis(25);

/// Happenings kept until the next acknowledgement; the oldest go first.
const MAX_HAPPENINGS: usize = 16;

/// The observed side of an execution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    pub(super) state: ObservedState,
    pub(super) message: String,
    pub(super) happenings: Vec<Happening>,
    pub(super) output: Option<RunOutput>,
    pub(super) published: Option<SpecConfig>,
    due: Option<Duration>,
}

impl Report {
    /// Nothing told but `state`.
    pub(super) fn new(state: ObservedState) -> Self {
        Self {
            state,
            message: String::new(),
            happenings: Vec::new(),
            output: None,
            published: None,
            due: None,
        }
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }
}

impl Execution {
    /// Notes a happening; it travels with the next observation.
    pub(super) fn happened(&mut self, now: Now, topic: &str, message: &str, details: &[&str]) {
        let kept = &mut self.report.happenings;
        if kept.len() == MAX_HAPPENINGS {
            kept.remove(0);
        }
        let details =
            details.iter().map(|key| ((*key).to_owned(), "true".to_owned())).collect::<BTreeMap<_, _>>();
        kept.push(Happening { topic: topic.to_owned(), message: message.to_owned(), at: now.time, details });
    }

    /// Whether it has noted something in this process that is not acknowledged.
    pub fn has_noted(&self) -> bool {
        !self.report.happenings.is_empty()
    }

    /// Sets right when that happened. Comes once, at the first welcome.
    pub fn set_right(&mut self, correction: Correction) {
        set_right(&mut self.report.happenings, correction);
    }

    /// Adds advice to the newest happening.
    pub(super) fn advise(&mut self, advice: &Advice) {
        let Some(newest) = self.report.happenings.last_mut() else { return };
        for (key, value) in [(ERROR_CODE, &advice.code), (HINT, &advice.hint)] {
            if !value.is_empty() {
                newest.details.insert(key.to_owned(), value.clone());
            }
        }
    }

    /// Moves the observed state up, never down, and tells it now.
    pub(super) fn observe(&mut self, state: ObservedState, message: &str, effects: &mut Vec<Effect>) {
        self.report.state = self.report.state.max(state);
        message.clone_into(&mut self.report.message);
        self.tell(effects);
    }

    /// Moves the observed state up and tells it unless the next one comes soon.
    pub(super) fn observe_if_it_lasts(&mut self, state: ObservedState, now: Now) {
        self.report.state = self.report.state.max(state);
        self.report.message.clear();
        self.report.due.get_or_insert(now.elapsed + SETTLE);
    }

    /// Tells where things stand.
    pub(super) fn tell(&mut self, effects: &mut Vec<Effect>) {
        self.report.due = None;
        effects.push(Effect::Observe(self.observation()));
    }

    /// Whether an observation still says how things stand for the control plane.
    pub fn is_newest(&self, observation: &Observation) -> bool {
        self.report.state == observation.state && self.report.message == observation.message
    }

    /// Where things stand, and what happened that is not acknowledged.
    pub fn observation(&self) -> Box<Observation> {
        Box::new(Observation {
            execution_id: self.id.clone(),
            generation: self.generation,
            state: self.report.state,
            message: self.report.message.clone(),
            events: self.report.happenings.clone(),
            output: self.report.output.clone(),
            published: self.report.published.clone(),
        })
    }

    /// Ends the execution for good: told and written at once, then everything it used is given back.
    pub(super) fn end(&mut self, state: ObservedState, message: &str, effects: &mut Vec<Effect>) {
        let was = std::mem::replace(&mut self.state, State::Ended);
        self.observe(state, message, effects);
        // What was only considered left no record, and the control plane asks again if the answer is lost.
        if self.journaled != Journaled::Nothing {
            self.journal(effects);
        }
        if was.is_in_queue() {
            effects.push(Effect::LeaveQueue);
        }
        effects.push(Effect::CleanUp);
    }
}

/// Sets right when something happened by an observation made before the first welcome.
pub fn set_right(happenings: &mut [Happening], correction: Correction) {
    for happening in happenings {
        happening.at = correction.of(happening.at);
    }
}

/// Keys of an event's details that say "true" (semantics.md 0.4).
pub(super) const IS_ERROR: &str = "IsError";
/// See [`IS_ERROR`].
pub(super) const FAILS_EXECUTION: &str = "FailsExecution";
/// Key of what went wrong, as `component:code`.
const ERROR_CODE: &str = "ErrorCode";
/// Key of what to try.
const HINT: &str = "Hint";
