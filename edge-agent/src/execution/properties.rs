//! What holds whatever happens, in whatever order, through any number of agent restarts.

use std::time::Duration;

use bacalhau_protocol::model::{DesiredState, JobType, Observation, topic};
use proptest::prelude::*;

use super::fixtures::{at, exited, wish};
use super::{Advice, Effect, Event, Execution, Now, Phase, Record, State, TaskEnd};

/// Performs effects the way the node does, as far as the properties need it, and checks each one.
struct World {
    job_type: JobType,
    execution: Option<Execution>,
    journal: Option<Record>,
    /// What it held before the last write.
    journal_before: Option<Record>,
    now: Duration,
    starts: u32,
    queued: bool,
    last: Option<Observation>,
}

#[derive(Clone, Debug)]
enum Happening {
    Event(Event),
    Wait(u64),
    /// The agent is killed and started again; with an engine whose tasks outlive it, or not.
    Kill {
        outlives_agent: bool,
    },
}

impl World {
    fn new(job_type: JobType, publisher: &str, timeout_s: u64) -> Self {
        let mut first = wish(job_type);
        if let Some(work) = &mut first.work {
            work.task.publisher.kind = publisher.into();
            work.task.timeouts.execution_s = timeout_s;
        }
        let execution = Execution::accept(first).ok().map(|(execution, _)| execution);
        Self {
            job_type,
            execution,
            journal: None,
            journal_before: None,
            now: Duration::ZERO,
            starts: 0,
            queued: false,
            last: None,
        }
    }

    fn now(&self) -> Now {
        Now { elapsed: self.now, ..at(0) }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event(event @ Event::NotWritten(_)) => {
                if self.execution.as_ref().is_some_and(|e| matches!(e.state(), State::Starting(_))) {
                    self.journal = self.journal_before.take();
                    self.starts -= 1;
                }
                self.step(event);
            }
            Happening::Event(event) => self.step(event),
            Happening::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                self.step(Event::Woken);
            }
            Happening::Kill { outlives_agent } => self.restart(outlives_agent),
        }
    }

    fn step(&mut self, event: Event) {
        let now = self.now();
        let Some(execution) = &mut self.execution else { return };
        let was_forgotten = *execution.state() == State::Forgotten;
        let woken = event == Event::Woken;
        let effects = execution.step(event, now);
        assert!(!was_forgotten || effects.is_empty(), "an effect after Forget: {effects:?}");
        if woken {
            assert!(execution.wakes_at().is_none_or(|due| due > now.elapsed), "woken in vain for ever");
        }
        self.perform(effects);
    }

    fn restart(&mut self, outlives_agent: bool) {
        let Some(record) = self.journal.clone() else { return };
        self.queued = false;
        let (execution, effects) = Execution::restore(record, outlives_agent, self.now());
        self.execution = Some(execution);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Journal => {
                    let record = self.execution.as_ref().map(Execution::record);
                    self.journal_before = std::mem::replace(&mut self.journal, record);
                }
                Effect::Start => self.start(),
                Effect::Observe(observation) => self.observe(*observation),
                Effect::Queue | Effect::Occupy => {
                    assert!(!std::mem::replace(&mut self.queued, true), "queued twice")
                }
                Effect::LeaveQueue => assert!(std::mem::take(&mut self.queued), "left the queue twice"),
                Effect::Forget => {
                    self.journal = None;
                    assert!(!self.queued, "forgotten with its capacity");
                }
                _ => {}
            }
        }
    }

    fn start(&mut self) {
        let journaled = self.journal.as_ref().map(|record| &record.phase);
        assert_eq!(journaled, Some(&Phase::Started), "started before it was written");
        assert!(self.queued, "started without capacity");
        self.starts += 1;
        assert!(self.starts == 1 || self.job_type.is_long_running(), "started twice");
    }

    fn observe(&mut self, observation: Observation) {
        if let Some(last) = &self.last {
            assert!(!last.state.is_terminal() || *last == observation, "{last:?} became {observation:?}");
        }
        self.last = Some(observation);
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    let output = (0..3).prop_map(exited);
    let end = prop_oneof![
        3 => output,
        1 => Just(TaskEnd::Broken { message: "trap".into(), output: Default::default() }),
        1 => Just(TaskEnd::NotStarted { topic: topic::PREPARING, message: "no".into(), advice: Advice::default() }),
        1 => Just(TaskEnd::Stopped(None)),
    ];
    let desired =
        prop_oneof![Just(DesiredState::Pending), Just(DesiredState::Running), Just(DesiredState::Stopped)];
    let wished = (0u64..6, desired).prop_map(|(generation, desired)| Event::Wished {
        generation,
        desired,
        reason: String::new(),
    });
    let event = prop_oneof![
        6 => Just(Event::Admitted),
        1 => Just(Event::Refused("no".into())),
        6 => Just(Event::SlotGranted),
        1 => Just(Event::MustWait),
        6 => Just(Event::InputsReady),
        6 => Just(Event::Started),
        2 => Just(Event::NotWritten("disk full".into())),
        1 => any::<bool>().prop_map(|can_wait| Event::Noted {
            topic: topic::PREPARING,
            message: "half done".into(),
            can_wait,
        }),
        3 => (0u64..60).prop_map(|s| Event::Adopted { ran_for: Duration::from_secs(s) }),
        1 => Just(Event::NothingToAdopt),
        4 => end.prop_map(Event::TaskEnded),
        3 => Just(Event::Published(None)),
        1 => Just(Event::PublishFailed("no".into())),
        2 => wished,
        1 => Just(Event::StopWanted("revoked".into())),
        1 => Just(Event::Disowned),
        1 => Just(Event::Acknowledged(Vec::new())),
        1 => Just(Event::AgentStopping),
        1 => Just(Event::AgentLeaving),
    ];
    prop_oneof![
        12 => event.prop_map(Happening::Event),
        3 => (0u64..400_000).prop_map(Happening::Wait),
        1 => any::<bool>().prop_map(|outlives_agent| Happening::Kill { outlives_agent }),
    ]
}

fn job_type() -> impl Strategy<Value = JobType> {
    prop_oneof![Just(JobType::Batch), Just(JobType::Ops), Just(JobType::Service), Just(JobType::Daemon)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_order_of_events_breaks_the_rules(
        job_type in job_type(),
        publisher in prop_oneof![Just(""), Just("local")],
        timeout_s in prop_oneof![Just(0u64), Just(30)],
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let mut world = World::new(job_type, publisher, timeout_s);
        happenings.into_iter().for_each(|happening| world.happen(happening));
    }

    #[test]
    fn a_stop_always_ends(job_type in job_type(), happenings in prop::collection::vec(happening(), 0..40)) {
        let mut world = World::new(job_type, "local", 0);
        happenings.into_iter().for_each(|happening| world.happen(happening));
        world.restart(true);
        world.step(Event::StopWanted("job stopped".into()));
        // Nothing of the outside ever answers; only time passes.
        for _ in 0..4 {
            let due = world.execution.as_ref().and_then(Execution::wakes_at);
            world.now = due.map_or(world.now, |due| due.max(world.now));
            world.step(Event::Woken);
        }
        let state = world.execution.as_ref().map(|execution| execution.state().clone());
        let over = matches!(state, Some(State::Ended | State::Forgotten | State::Suspended { .. }));
        prop_assert!(over, "{:?}", state);
    }
}
