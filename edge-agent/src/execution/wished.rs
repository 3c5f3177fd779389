//! The control plane's wish: for an execution the node does not know yet, and for one it does.

use std::sync::Arc;

use bacalhau_protocol::model::{DesiredState, Observation, ObservedState};
use bacalhau_protocol::wire::Wish;

use super::report::Report;
use super::{Effect, Execution, Journaled, Now, State};

impl Execution {
    /// Takes in a wish for an execution the node does not hold, or answers it at once. The answer needs no record: if
    /// it is lost, the wish comes again.
    pub fn accept(wish: Wish) -> Result<(Self, Vec<Effect>), Box<Observation>> {
        if wish.desired == DesiredState::Stopped {
            return Err(answer(&wish, ObservedState::Stopped, "was not on this node"));
        }
        let Some(work) = wish.work.clone() else {
            return Err(answer(
                &wish,
                ObservedState::Failed,
                "journal lost: this node no longer knows what to run",
            ));
        };
        let may_repeat = work.job_type.is_long_running() && !wish.seen.is_terminal();
        if wish.seen >= ObservedState::Accepted && !may_repeat {
            let message = "journal lost: this node may have run it already and does not start it again";
            return Err(answer(&wish, ObservedState::Failed, message));
        }
        let execution = Self {
            id: wish.execution_id,
            work: Arc::from(work),
            generation: wish.generation,
            desired: wish.desired,
            state: State::Considering,
            report: Report::new(wish.seen),
            journaled: Journaled::Nothing,
        };
        Ok((execution, vec![Effect::Admit]))
    }

    pub(super) fn wished(
        &mut self,
        generation: u64,
        desired: DesiredState,
        reason: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if generation <= self.generation || self.state.is_over() {
            return;
        }
        self.generation = generation;
        match desired {
            DesiredState::Pending => {}
            DesiredState::Running if self.desired != DesiredState::Stopped => self.confirmed(effects),
            // Stopping cannot be taken back: the scheduler makes a new execution.
            DesiredState::Running => {}
            DesiredState::Stopped => self.stop_wanted(reason, now, effects),
        }
        if self.journaled != Journaled::Nothing {
            self.journal(effects);
        }
    }

    fn confirmed(&mut self, effects: &mut Vec<Effect>) {
        self.desired = DesiredState::Running;
        if self.state == State::Agreed {
            self.state = State::Queued;
            effects.push(Effect::Queue);
        }
    }
}

fn answer(wish: &Wish, state: ObservedState, message: &str) -> Box<Observation> {
    Box::new(Observation {
        execution_id: wish.execution_id.clone(),
        generation: wish.generation,
        state,
        message: message.to_owned(),
        events: Vec::new(),
        output: None,
        published: None,
    })
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::super::fixtures::{at, execution, running, wish};
    use super::super::{Event, StopCause};
    use super::*;

    #[test]
    fn a_new_wish_is_considered_and_nothing_is_written_yet() {
        let (execution, effects) = Execution::accept(wish(JobType::Batch)).unwrap();
        assert_eq!((execution.state(), effects), (&State::Considering, vec![Effect::Admit]));
    }

    #[test]
    fn a_lost_journal_never_starts_a_task_twice_but_keeps_services_up() {
        for (job_type, taken) in [
            (JobType::Batch, false),
            (JobType::Ops, false),
            (JobType::Service, true),
            (JobType::Daemon, true),
        ] {
            let answer = Execution::accept(Wish { seen: ObservedState::Running, ..wish(job_type) });
            assert_eq!(answer.is_ok(), taken, "{job_type:?}");
            if let Err(observation) = answer {
                assert_eq!(observation.state, ObservedState::Failed);
                assert!(observation.message.starts_with("journal lost: "), "{}", observation.message);
            }
        }
        assert!(Execution::accept(Wish { seen: ObservedState::Failed, ..wish(JobType::Daemon) }).is_err());
    }

    #[test]
    fn an_unknown_execution_that_is_not_wanted_was_stopped() {
        let unwanted = Wish { desired: DesiredState::Stopped, work: None, ..wish(JobType::Ops) };
        assert_eq!(Execution::accept(unwanted).unwrap_err().state, ObservedState::Stopped);
        let unnamed = Wish { work: None, ..wish(JobType::Ops) };
        assert_eq!(Execution::accept(unnamed).unwrap_err().state, ObservedState::Failed);
    }

    #[test]
    fn an_older_generation_is_ignored() {
        let mut execution = running(JobType::Batch);
        let before = execution.clone();
        let stale = Event::Wished { generation: 1, desired: DesiredState::Stopped, reason: String::new() };
        assert_eq!(execution.step(stale, at(50)), []);
        assert_eq!(execution, before);
    }

    #[test]
    fn an_offer_is_confirmed_by_a_newer_wish() {
        let offer = Wish { desired: DesiredState::Pending, ..wish(JobType::Batch) };
        let (mut execution, _) = Execution::accept(offer).unwrap();
        execution.step(Event::Admitted, at(0));
        assert_eq!(execution.state(), &State::Agreed);
        let confirm = Event::Wished { generation: 2, desired: DesiredState::Running, reason: String::new() };
        assert_eq!(execution.step(confirm, at(1)), [Effect::Queue]);
        assert_eq!(execution.state(), &State::Queued);
    }

    #[test]
    fn a_stop_is_written_down_so_that_a_reboot_without_network_does_not_undo_it() {
        let mut execution = running(JobType::Daemon);
        let stop =
            Event::Wished { generation: 2, desired: DesiredState::Stopped, reason: "job stopped".into() };
        let effects = execution.step(stop, at(50));
        let cause = StopCause::Unwanted("job stopped".into());
        assert_eq!(effects, [Effect::Stop(cause), Effect::Journal]);
        assert_eq!(execution.record().desired, DesiredState::Stopped);
    }

    #[test]
    fn a_stop_cannot_be_taken_back() {
        let mut execution = execution(JobType::Daemon);
        execution.step(Event::StopWanted("no".into()), at(0));
        let again = Event::Wished { generation: 9, desired: DesiredState::Running, reason: String::new() };
        assert_eq!(execution.step(again, at(1)), []);
        assert_eq!(execution.state(), &State::Ended);
    }
}
