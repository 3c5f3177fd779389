//! One execution's life on the node, without I/O: an event and the time go in, effects come out.
//!
//! Read [`State`] for where an execution can stand, [`Event`] for what can happen to it, [`Effect`] for what the node
//! must do about it and in which order. Each event has a file of its own. What survives a power cut is [`Record`].

mod acknowledged;
mod admitted;
mod adopted;
mod effect;
mod ended;
mod event;
mod granted;
mod noted;
mod published;
mod record;
mod report;
mod restored;
mod started;
mod state;
mod stopped;
mod suspended;
mod text;
mod wished;
mod woken;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod properties;

use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::DesiredState;
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::Work;

pub use effect::Effect;
pub use event::{Advice, Event, TaskEnd};
pub use record::{Phase, Record, Verdict};
pub use state::{Attempt, State, StopCause};

pub use report::set_right;

use report::Report;

/// The time as a step sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic, since the agent started; everything that is waited for is measured with it.
    pub elapsed: Duration,
    /// The fleet's time, for showing.
    pub time: Timestamp,
}

/// One execution. Made by [`Execution::accept`] or [`Execution::restore`], moved on by [`Execution::step`].
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    id: ExecutionId,
    work: Arc<Work>,
    /// Newest wish taken in.
    generation: u64,
    desired: DesiredState,
    state: State,
    report: Report,
    journaled: Journaled,
}

/// What the journal has of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Journaled {
    /// Nothing yet.
    Nothing,
    /// Nobody knows: a write has failed.
    Unknown,
    /// What the last [`Effect::Journal`] wrote: generation and rank of the phase.
    Says(u64, u8),
}

impl Execution {
    /// Takes in an event. Events that no longer matter change nothing.
    pub fn step(&mut self, event: Event, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Wished { generation, desired, reason } => {
                self.wished(generation, desired, &reason, now, &mut effects);
            }
            Event::StopWanted(reason) => self.stop_wanted(&reason, now, &mut effects),
            Event::Disowned => self.disowned(now, &mut effects),
            Event::Admitted => self.admitted(&mut effects),
            Event::Refused(reasons) => self.refused(&reasons, now, &mut effects),
            Event::SlotGranted => self.slot_granted(now, &mut effects),
            Event::MustWait => self.must_wait(&mut effects),
            Event::InputsReady => self.inputs_ready(now, &mut effects),
            Event::Noted { topic, message, can_wait } => self.noted(topic, &message, can_wait, now),
            Event::Started => self.started(now, &mut effects),
            Event::NotWritten(message) => self.not_written(message, now, &mut effects),
            Event::Adopted { ran_for } => self.adopted(ran_for, now, &mut effects),
            Event::NothingToAdopt => self.nothing_to_adopt(now, &mut effects),
            Event::TaskEnded(end) => self.task_ended(end, now, &mut effects),
            Event::Published(results) => self.published(results, now, &mut effects),
            Event::PublishFailed(message) => self.publish_failed(&message, now, &mut effects),
            Event::Woken => self.woken(now, &mut effects),
            Event::AgentStopping => self.agent_stopping(now, &mut effects),
            Event::AgentLeaving => self.agent_leaving(now, &mut effects),
            Event::Acknowledged(events) => self.acknowledged(&events, &mut effects),
        }
        effects
    }

    /// When [`Event::Woken`] is due; `None` while only other events matter. Read it after every step: there are no
    /// timers to cancel.
    pub fn wakes_at(&self) -> Option<Duration> {
        if self.state.is_over() {
            return None;
        }
        [self.state.wakes_at(), self.report.due()].into_iter().flatten().min()
    }

    /// Which one.
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// What to run.
    pub fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// The newest wish taken in.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What must survive a power cut now.
    pub fn record(&self) -> Record {
        Record {
            execution_id: self.id.clone(),
            generation: self.generation,
            desired: self.desired,
            work: Work::clone(&self.work),
            phase: self.phase(),
        }
    }

    fn phase(&self) -> Phase {
        match &self.state {
            State::Considering | State::Agreed | State::Queued | State::Suspended { may_have_run: false } => {
                Phase::Accepted
            }
            State::Publishing { verdict, output, .. } => {
                Phase::Ran { verdict: verdict.clone(), output: output.clone() }
            }
            State::Ended => Phase::Ended(self.observation()),
            _ => Phase::Started,
        }
    }

    /// Asks for the record to be written unless the last one says the same.
    fn journal(&mut self, effects: &mut Vec<Effect>) {
        let says = Journaled::Says(self.generation, self.phase().rank());
        if self.journaled != says {
            self.journaled = says;
            effects.push(Effect::Journal);
        }
    }

    fn is_long_running(&self) -> bool {
        self.work.job_type.is_long_running()
    }
}
