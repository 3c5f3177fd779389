//! Performs the effects of executions.

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::Observation;
use tokio::sync::watch;

use super::actor::{Actor, Report};
use super::held::Activity;
use crate::admission;
use crate::chain::chain;
use crate::execution::{self, Effect, Event, State, StopCause, TaskEnd};
use crate::executor::{Notes, StopReason};
use crate::fleet_time::Correction;
use crate::journal::Change;
use crate::runner::{PublishEnd, StopSignal};

impl Actor {
    /// Begins effects in their order; see [`Effect`] for what waits for what.
    pub(super) fn perform(&mut self, id: &ExecutionId, effects: Vec<Effect>) {
        let mut after_journal = false;
        for effect in effects {
            match effect {
                Effect::Admit => self.admit(id),
                Effect::Queue => self.enter_queue(id),
                Effect::LeaveQueue => self.leave_queue(id),
                Effect::Journal => {
                    after_journal = true;
                    self.write(id);
                }
                Effect::Occupy => self.occupy(id),
                Effect::Adopt => self.adopt(id),
                Effect::LetGo => self.let_go(id),
                Effect::PrepareInputs => self.prepare(id),
                Effect::Start => self.start(id),
                Effect::Stop(cause) => self.stop_activity(id, &cause),
                Effect::Publish => self.publish(id),
                Effect::Observe(observation) if after_journal => self.tell_when_durable(id, observation),
                Effect::Observe(observation) => self.tell(*observation),
                Effect::CleanUp => self.clean_up(id),
                Effect::Forget => self.forget(id),
            }
        }
    }

    /// Tells the control plane, now or at the next connection. What an earlier process noted keeps the time that one gave.
    pub(super) fn tell(&mut self, observation: Observation) {
        let id = &observation.execution_id;
        if let Some(undated) = &mut self.undated
            && self.executions.get_mut(id).is_some_and(|held| held.execution.has_noted())
        {
            undated.insert(id.clone(), observation);
            return;
        }
        self.link.observe(observation);
        self.reserve_sequences();
    }

    /// The first welcome of this process says what time it was all along.
    pub(super) fn set_right(&mut self, correction: Option<Correction>) {
        let Some(mut undated) = self.undated.take() else { return };
        if let Some(correction) = correction {
            self.executions.all_mut().for_each(|held| held.execution.set_right(correction));
            undated.values_mut().for_each(|told| execution::set_right(&mut told.events, correction));
        }
        undated.into_values().for_each(|observation| self.tell(observation));
    }

    /// What was to be told once it was durable may have been overtaken, and more may have happened.
    pub(super) fn tell_if_newest(&mut self, observation: &Observation) {
        let Some(held) = self.executions.get_mut(&observation.execution_id) else { return };
        if held.execution.is_newest(observation) {
            let newest = held.execution.observation();
            self.tell(*newest);
        }
    }

    fn admit(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        let (work, admission) = (held.execution.work().clone(), self.admission.clone());
        let (node, capacity) = (self.info.node_id.clone(), self.info.capacity.clone());
        let (id, reports) = (id.clone(), self.reports.clone());
        self.tasks.spawn(async move {
            let event = match admission.decide(&node, &work, &capacity).await {
                Ok(()) => Event::Admitted,
                Err(reasons) => Event::Refused(reasons),
            };
            // An actor that has gone needs no report; so everywhere below.
            _ = reports.send(Report::Event(id, event)).await;
        });
    }

    fn enter_queue(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        let work = held.execution.work();
        let granted = self.queue.enter(id.clone(), work.priority, admission::usage(&work.task));
        if !granted.contains(id) {
            self.pending.push_back((id.clone(), Event::MustWait));
        }
        self.grant(granted);
    }

    fn occupy(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        self.queue.occupy(id.clone(), admission::usage(&held.execution.work().task));
        self.usage_changed = true;
    }

    fn leave_queue(&mut self, id: &ExecutionId) {
        let granted = self.queue.leave(id);
        self.grant(granted);
    }

    fn grant(&mut self, granted: Vec<ExecutionId>) {
        self.usage_changed = true;
        self.pending.extend(granted.into_iter().map(|id| (id, Event::SlotGranted)));
    }

    fn write(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        let record = Box::new(held.execution.record());
        held.unwritten = Some(self.journal.write(vec![Change::Put(record)]));
    }

    fn tell_when_durable(&mut self, id: &ExecutionId, observation: Box<Observation>) {
        let written = self.executions.get_mut(id).and_then(|held| held.unwritten.take());
        let Some(written) = written else { return self.tell(*observation) };
        let reports = self.reports.clone();
        self.tasks.spawn(async move {
            // What cannot be written is not told: the control plane asks again.
            if written.durable().await.is_ok() {
                _ = reports.send(Report::Durable(observation)).await;
            }
        });
    }

    fn prepare(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        let work = held.execution.work().clone();
        let (runner, reports, name) = (self.runner.clone(), self.reports.clone(), id.clone());
        self.begin(id, |stop| async move {
            let report = match runner.prepare(&name, &work, stop).await {
                Ok(run) => Report::Ready(name, Box::new(run)),
                Err(end) => Report::Event(name, Event::TaskEnded(end)),
            };
            _ = reports.send(report).await;
        });
    }

    fn start(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        let (written, Some(mut run)) = (held.unwritten.take(), held.ready.take()) else { return };
        let engine = held.execution.work().task.engine.kind.clone();
        let (runner, reports, name) = (self.runner.clone(), self.reports.clone(), id.clone());
        run.notes = self.notes(id);
        self.begin(id, |stop| async move {
            if let Some(written) = written
                && let Err(error) = written.durable().await
            {
                _ = reports.send(Report::Event(name, Event::NotWritten(chain(&error)))).await;
                return;
            }
            let started = async {
                _ = reports.send(Report::Event(name.clone(), Event::Started)).await;
            };
            let end = runner.run(&name, &engine, *run, stop, started).await;
            _ = reports.send(Report::Event(name, Event::TaskEnded(end))).await;
        });
    }

    /// Notes that nobody takes in time are dropped: they only tell how something goes.
    fn notes(&self, id: &ExecutionId) -> Notes {
        let (reports, id) = (self.reports.clone(), id.clone());
        Notes::to(move |topic, message, can_wait| {
            _ = reports.try_send(Report::Event(id.clone(), Event::Noted { topic, message, can_wait }));
        })
    }

    fn adopt(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        let work = held.execution.work().clone();
        let (runner, reports, name) = (self.runner.clone(), self.reports.clone(), id.clone());
        let notes = self.notes(id);
        self.begin(id, |stop| async move {
            let adopted = async |ran_for| {
                _ = reports.send(Report::Event(name.clone(), Event::Adopted { ran_for })).await;
            };
            let event = match runner.adopt(&name, &work, notes, stop, adopted).await {
                Some(end) => Event::TaskEnded(end),
                None => Event::NothingToAdopt,
            };
            _ = reports.send(Report::Event(name, event)).await;
        });
    }

    fn let_go(&mut self, id: &ExecutionId) {
        let activity = self.executions.get_mut(id).and_then(|held| held.activity.take());
        if let Some(activity) = activity {
            activity.task.abort();
        }
    }

    fn publish(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        let State::Publishing { output, .. } = held.execution.state() else { return };
        let (work, exit_code) = (held.execution.work().clone(), output.exit_code);
        let (runner, reports, name) = (self.runner.clone(), self.reports.clone(), id.clone());
        self.begin(id, |stop| async move {
            let event = match runner.publish(&name, &work, exit_code, stop).await {
                Ok(place) => Event::Published(Some(place)),
                Err(PublishEnd::Failed(reason)) => Event::PublishFailed(reason),
                Err(PublishEnd::Stopped) => Event::TaskEnded(TaskEnd::Stopped(None)),
            };
            _ = reports.send(Report::Event(name, event)).await;
        });
    }

    /// Begins an activity of an execution that has none.
    fn begin<F>(&mut self, id: &ExecutionId, activity: impl FnOnce(StopSignal) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(held) = self.executions.get_mut(id) else { return };
        let (stop, signal) = watch::channel(None);
        let task = self.tasks.spawn(activity(signal)).abort_handle();
        held.activity = Some(Activity { stop, task });
    }

    fn stop_activity(&mut self, id: &ExecutionId, cause: &StopCause) {
        let reason = match cause {
            StopCause::Unwanted(_) | StopCause::Disowned => StopReason::Cancelled,
            StopCause::Timeout => StopReason::Timeout,
            StopCause::Shutdown => StopReason::Shutdown,
        };
        let activity = self.executions.get_mut(id).and_then(|held| held.activity.as_ref());
        if let Some(activity) = activity {
            activity.stop.send_replace(Some(reason));
        }
    }

    /// What still runs is given up.
    fn clean_up(&mut self, id: &ExecutionId) {
        let Some(held) = self.executions.get_mut(id) else { return };
        if let Some(activity) = held.activity.take() {
            activity.task.abort();
        }
        let engine = held.execution.work().task.engine.kind.clone();
        let (runner, id) = (self.runner.clone(), id.clone());
        self.tasks.spawn(async move { runner.clean_up(&id, &engine).await });
    }

    fn forget(&mut self, id: &ExecutionId) {
        self.executions.remove(id);
        self.journal.write_some_time(vec![Change::Delete(id.clone())]);
    }
}
