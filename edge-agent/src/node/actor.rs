//! The actor's loop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::link::NodeLink;
use bacalhau_protocol::model::{NodeInfo, NodeUsage, Observation};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::held::Executions;
use super::{Command, Parts, Status};
use crate::admission::{Admission, Probes};
use crate::clock::Clock;
use crate::config;
use crate::execution::{Effect, Event, Execution, Now, Phase, Record, State};
use crate::executor::TaskRun;
use crate::journal::{Change, Facts, Journal};
use crate::link::{LinkEvent, Outgoing};
use crate::publisher::LocalPublisher;
use crate::queue::LocalQueue;
use crate::runner::Runner;

/// Reports of activities that wait for the actor.
const WAITING_REPORTS: usize = 256;
/// An agent that lives this long, or is welcomed, has survived its journal.
const SURVIVED: Duration = Duration::from_secs(3);
/// How long tasks may take to end when the agent does. Engines stop theirs in less.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// Sequences reserved at a time, so that the journal is seldom written for them.
const SEQUENCE_BLOCK: u64 = 1024;

/// What activities tell the actor.
pub(super) enum Report {
    /// Something happened to an execution.
    Event(ExecutionId, Event),
    /// Inputs are there.
    Ready(ExecutionId, Box<TaskRun>),
    /// The record that stands before this observation is durable.
    Durable(Box<Observation>),
}

pub(super) struct Actor {
    pub(super) info: NodeInfo,
    pub(super) secret: Option<String>,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
    pub(super) admission: Arc<Admission>,
    pub(super) runner: Arc<Runner>,
    pub(super) archives: Option<Arc<LocalPublisher>>,
    pub(super) status: watch::Sender<Status>,
    pub(super) link: NodeLink,
    pub(super) outgoing: Option<Outgoing>,
    pub(super) executions: Executions,
    pub(super) queue: LocalQueue,
    /// What is given out changed and has not been told.
    pub(super) usage_changed: bool,
    pub(super) facts: Facts,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) tasks: TaskTracker,
    /// Cancelled when the agent ends: for what need not be finished.
    pub(super) ending: CancellationToken,
    /// What this process has noted and told nobody, until its first welcome sets the time right.
    pub(super) undated: Option<BTreeMap<ExecutionId, Observation>>,
    /// Events that executions cause one another.
    pub(super) pending: VecDeque<(ExecutionId, Event)>,
    survives_at: Option<Duration>,
    link_events: mpsc::Receiver<LinkEvent>,
    waiting_reports: mpsc::Receiver<Report>,
    /// What an earlier process left, until it is taken up.
    recovered: Vec<Record>,
}

impl Actor {
    pub(super) fn new(parts: Parts, status: watch::Sender<Status>) -> Self {
        let Parts { info, secret, journal, recovered, clock, admission, runner, link, archives } = parts;
        let (reports, waiting_reports) = mpsc::channel(WAITING_REPORTS);
        let survives_at = Some(clock.elapsed() + SURVIVED);
        Self {
            queue: LocalQueue::new(info.capacity.clone()),
            link: NodeLink::new(recovered.facts.sequence_reserved),
            facts: recovered.facts,
            recovered: recovered.executions,
            admission: Arc::new(admission),
            outgoing: None,
            executions: Executions::default(),
            usage_changed: false,
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            undated: Some(BTreeMap::new()),
            pending: VecDeque::new(),
            link_events: link,
            info,
            secret,
            journal,
            clock,
            runner,
            archives,
            status,
            reports,
            survives_at,
            waiting_reports,
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut link_is_open = true;
        let done = loop {
            self.flush();
            let wakes_in = self.wakes_at().map(|at| at.saturating_sub(self.clock.elapsed()));
            tokio::select! {
                event = self.link_events.recv(), if link_is_open => match event {
                    Some(event) => self.link_event(event),
                    None => link_is_open = false,
                },
                Some(report) = self.waiting_reports.recv() => self.report(report),
                command = commands.recv() => match command {
                    Some(Command::Inform(info, policy)) => {
                        self.decide_by(policy);
                        self.inform(*info);
                    }
                    Some(Command::Shutdown(done)) => break Some(done),
                    None => break None,
                },
                () = sleep(wakes_in.unwrap_or_default()), if wakes_in.is_some() => self.wake(),
            }
        };
        self.stop(done).await;
    }

    pub(super) fn now(&self) -> Now {
        Now { elapsed: self.clock.elapsed(), time: self.clock.now() }
    }

    /// Steps an execution and everything that follows from it.
    pub(super) fn dispatch(&mut self, id: ExecutionId, event: Event) {
        self.pending.push_back((id, event));
        while let Some((id, event)) = self.pending.pop_front() {
            let now = self.now();
            let Some(held) = self.executions.get_mut(&id) else { continue };
            let effects = held.execution.step(event, now);
            self.after_step(&id);
            self.perform(&id, effects);
        }
    }

    /// Takes in an execution that [`Execution::accept`] or [`Execution::restore`] made, with its first effects.
    pub(super) fn hold(&mut self, execution: Execution, effects: Vec<Effect>) {
        let id = execution.id().clone();
        // The files of one that has ended are those of any other: counted, and removed to make room.
        if *execution.state() != State::Ended {
            self.runner.expect(&id);
        }
        self.executions.add(execution);
        self.after_step(&id);
        self.perform(&id, effects);
        while let Some((id, event)) = self.pending.pop_front() {
            self.dispatch(id, event);
        }
    }

    pub(super) fn survived(&mut self) {
        if self.survives_at.take().is_some() {
            self.journal.survived();
        }
    }

    /// Keeps the journal ahead of the sequences in use. A power cut may undo that; then the next welcome says how far
    /// they have come, which is what counts. This one keeps them apart also while the control plane still takes in what
    /// an earlier process sent.
    pub(super) fn reserve_sequences(&mut self) {
        let used = self.link.sequence();
        if used + SEQUENCE_BLOCK / 2 > self.facts.sequence_reserved {
            self.facts.sequence_reserved = used + SEQUENCE_BLOCK;
            self.journal.write_some_time(vec![Change::Facts(self.facts.clone())]);
        }
    }

    /// Takes up what an earlier process left. Comes before [`run`](Self::run).
    pub(super) fn restore(&mut self) {
        self.reserve_sequences();
        let mut records = std::mem::take(&mut self.recovered);
        // Before anything of theirs is taken over or started.
        self.runner.keep_only(&unfinished(&records));
        // What held capacity has it again before anybody is let in from the queue.
        records.sort_by_key(|record| (record.phase == Phase::Accepted, Reverse(record.work.priority)));
        for record in records {
            if let (Phase::Ended(last), Some(archives)) = (&record.phase, &self.archives)
                && last.published.is_some()
            {
                archives.remember(&record.work.job_id, &record.execution_id);
            }
            let outlives_agent = self.runner.outlives_agent(&record.work.task.engine.kind);
            let (execution, effects) = Execution::restore(record, outlives_agent, self.now());
            self.hold(execution, effects);
        }
        self.runner.sweep();
    }

    fn after_step(&mut self, id: &ExecutionId) {
        self.executions.reschedule(id);
        let Some(held) = self.executions.get_mut(id) else { return };
        let writes_no_more = matches!(
            held.execution.state(),
            State::Publishing { .. } | State::Ended | State::Suspended { .. } | State::Forgotten
        );
        if writes_no_more {
            self.runner.outputs().over(id);
        }
    }

    fn wakes_at(&self) -> Option<Duration> {
        [self.executions.wakes_at(), self.survives_at].into_iter().flatten().min()
    }

    fn wake(&mut self) {
        let now = self.clock.elapsed();
        if self.survives_at.is_some_and(|at| at <= now) {
            self.survived();
        }
        for id in self.executions.due(now) {
            self.dispatch(id, Event::Woken);
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Event(id, event) => self.dispatch(id, event),
            Report::Ready(id, run) => {
                if let Some(held) = self.executions.get_mut(&id) {
                    held.ready = Some(run);
                }
                self.dispatch(id, Event::InputsReady);
            }
            Report::Durable(observation) => self.tell_if_newest(&observation),
        }
    }

    fn decide_by(&mut self, policy: config::Admission) {
        if policy != self.admission.policy {
            let probes = Probes::new(&policy, self.clock.clone());
            self.admission = Arc::new(Admission { policy, probes, ..Admission::clone(&self.admission) });
        }
    }

    fn inform(&mut self, info: NodeInfo) {
        if info == self.info {
            return;
        }
        for id in self.queue.resize(info.capacity.clone()) {
            self.dispatch(id, Event::SlotGranted);
        }
        self.usage_changed = true;
        self.info = info.clone();
        self.link.inform(info);
    }

    /// Sends what has gathered since the last message.
    fn flush(&mut self) {
        if std::mem::take(&mut self.usage_changed) {
            self.link.report_usage(self.usage());
        }
        let bytes = self.link.transmit();
        if let Some(outgoing) = &self.outgoing {
            outgoing.send(bytes);
        }
    }

    pub(super) fn usage(&self) -> NodeUsage {
        self.queue.usage()
    }

    /// Ends everything in good order.
    async fn stop(mut self, done: Option<oneshot::Sender<()>>) {
        self.survived();
        self.ending.cancel();
        for id in self.executions.ids() {
            let Some(held) = self.executions.get_mut(&id) else { continue };
            let leaving = self.runner.outlives_agent(&held.execution.work().task.engine.kind);
            self.dispatch(id, if leaving { Event::AgentLeaving } else { Event::AgentStopping });
        }
        let deadline = self.clock.elapsed() + SHUTDOWN_LIMIT;
        while self.executions.is_busy() {
            let left = deadline.saturating_sub(self.clock.elapsed());
            let Ok(Some(report)) = tokio::time::timeout(left, self.waiting_reports.recv()).await else {
                break;
            };
            self.report(report);
        }
        self.goodbye();
        self.tasks.close();
        let Self { journal, tasks, executions, waiting_reports, .. } = self;
        // Whoever still wants to report finds nobody, and ends.
        drop((executions, waiting_reports));
        if tokio::time::timeout(SHUTDOWN_LIMIT, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "activities did not end with the agent");
        }
        // Blocks for one sync.
        if let Err(error) = tokio::task::spawn_blocking(move || journal.close()).await {
            tracing::error!(%error, "the journal was not closed in good order");
        }
        if let Some(done) = done {
            // Whoever asked may have gone.
            _ = done.send(());
        }
    }
}

/// Executions of which engines may still hold something.
fn unfinished(records: &[Record]) -> BTreeSet<String> {
    let unfinished = records.iter().filter(|record| !matches!(record.phase, Phase::Ended(_)));
    unfinished.map(|record| record.execution_id.to_string()).collect()
}
