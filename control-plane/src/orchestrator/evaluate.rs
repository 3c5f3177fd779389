//! Looking at a job: snapshot, plan, and the plan's consequences in the job's draft.

use bacalhau_protocol::ids::{EvaluationId, ExecutionId, JobId};
use bacalhau_protocol::model::{DesiredState, Event, Execution, ObservedState};

use super::{ChangeError, Commit, Orchestrator};
use crate::scheduler::{self, Evaluation, EventLevel, Placement, Plan, Snapshot, StopChange};
use crate::state::{Draft, LiveJob, Precedence, World};
use crate::{clock, entropy};

impl Orchestrator {
    /// Evaluates jobs as they become due, until the process ends.
    pub async fn evaluate_forever(self) {
        loop {
            match self.inner.broker.next(clock::now()) {
                Ok(job) => self.evaluate_now(&job),
                Err(Some(wait)) => {
                    let _ = tokio::time::timeout(wait, self.inner.broker.changed()).await;
                }
                Err(None) => self.inner.broker.changed().await,
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn evaluate_now(&self, job: &JobId) {
        match self.evaluate(job) {
            // The commit sees itself through.
            Ok(_) => {}
            // A commit that finds no room sets another time, and a recovery marks every job again.
            Err(error) => tracing::debug!(%job, %error, "evaluation put off"),
        }
    }

    /// Looks at a job in progress. Nothing to change is nothing to commit.
    fn evaluate(&self, id: &JobId) -> Result<Option<Commit>, ChangeError> {
        let now = clock::now();
        let mut guard = self.world();
        let world = guard.get()?;
        let Some(job) = world.job(id) else { return Ok(None) };
        let mut draft = Draft::change(job, now);
        if !self.plan_into(world, &mut draft) {
            world.set_short_of_nodes(id, draft.short_of_nodes);
            return Ok(None);
        }
        self.commit(world, &draft).map(Some)
    }

    /// Plans for the job of `draft`, its changes included, and adds the plan to the draft. Says whether it added any.
    pub(super) fn plan_into(&self, world: &World, draft: &mut Draft) -> bool {
        self.plan_as(world, draft, &evaluation())
    }

    /// As [`Orchestrator::plan_into`], for an evaluation whose id a caller is told.
    pub(super) fn plan_as(&self, world: &World, draft: &mut Draft, evaluation: &Evaluation) -> bool {
        let plan = {
            let snapshot = Snapshot {
                job: &draft.head,
                written: draft.changed_before(),
                spec: &draft.spec,
                executions: executions(world.job(&draft.head.id), draft),
                nodes: world.nodes(),
                settings: &self.inner.settings,
            };
            scheduler::plan(&snapshot, evaluation, draft.now())
        };
        let precedence = Precedence::new(draft.spec.priority, draft.head.created);
        self.inner.broker.wake(&draft.head.id, precedence, plan.wake_at);
        draft.short_of_nodes = plan.short_of_nodes;
        let changes = !plan.is_empty(&draft.head);
        apply(world, draft, evaluation, plan);
        changes
    }
}

/// A fresh one.
pub(super) fn evaluation() -> Evaluation {
    Evaluation { id: EvaluationId::from_random(entropy::bytes()), seed: entropy::number() }
}

/// The job's executions as the draft leaves them.
fn executions<'a>(job: Option<&'a LiveJob>, draft: &'a Draft) -> Vec<&'a Execution> {
    let stored = job.into_iter().flat_map(|job| job.executions.values());
    let unchanged = stored.map(|execution| &**execution).filter(|old| draft.execution(&old.id).is_none());
    unchanged.chain(draft.changed()).collect()
}

fn apply(world: &World, draft: &mut Draft, evaluation: &Evaluation, plan: Plan) {
    let now = draft.now();
    for change in plan.stop {
        if let Some(execution) = current(world, draft, &change.execution_id) {
            draft.put_execution(stopped(execution, change));
        }
    }
    for placement in plan.place {
        let execution = placed(draft, evaluation, placement);
        draft.put_execution(execution);
    }
    if plan.targets_fixed {
        draft.head.targets_fixed = true;
    }
    for event in plan.events {
        let execution_id = match event.level {
            EventLevel::Job => None,
            EventLevel::Execution(id) => Some(id),
        };
        let event =
            Event { topic: event.topic.to_owned(), message: event.message, at: now, details: event.details };
        draft.record(execution_id, event);
    }
    if let Some(change) = plan.job {
        draft.set_state(change.state, change.message, change.details);
    }
}

fn current(world: &World, draft: &Draft, id: &ExecutionId) -> Option<Execution> {
    let in_draft = draft.execution(id).cloned();
    in_draft.or_else(|| Some(Execution::clone(world.job(&draft.head.id)?.executions.get(id)?)))
}

fn placed(draft: &Draft, evaluation: &Evaluation, placement: Placement) -> Execution {
    Execution {
        id: placement.execution_id,
        job_id: draft.head.id.clone(),
        job_version: draft.head.version,
        node_id: placement.node_id,
        evaluation_id: evaluation.id.clone(),
        partition: placement.partition,
        attempt: placement.attempt,
        resources: placement.resources,
        desired: placement.desired,
        desired_message: placement.message,
        generation: 1,
        observed: ObservedState::Unheard,
        observed_message: String::new(),
        observed_sequence: 0,
        published: None,
        output: None,
        revision: 0,
        created: draft.now(),
        modified: draft.now(),
    }
}

fn stopped(mut execution: Execution, change: StopChange) -> Execution {
    if execution.desired != DesiredState::Stopped {
        execution.desired = DesiredState::Stopped;
        execution.generation += 1;
    }
    execution.desired_message = change.message;
    execution
}
