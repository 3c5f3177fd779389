//! Taking in what a node reports of an execution.

use bacalhau_protocol::ids::{JobId, NodeId};
use bacalhau_protocol::model::job::MAX_PARAMS_BYTES;
use bacalhau_protocol::model::{
    DesiredState, Event, Execution, Observation, ObservedState, RunOutput, SpecConfig,
};

use super::{ChangeError, Commit, Orchestrator};
use crate::clock;
use crate::scheduler::ENDED_UNASKED;
use crate::state::{Draft, LiveJob, World};

/// Up to this many executions a job is evaluated in the same commit that takes an observation in, which saves a trivial
/// job a commit. Larger jobs are marked: a thousand answers at once make a few evaluations, not a thousand.
const MAX_INLINE_EXECUTIONS: usize = 16;

/// Longest message or event text taken from a node, bytes; what is longer is cut.
const MAX_TEXT_BYTES: usize = 4096;
/// Events taken from one observation.
const MAX_EVENTS: usize = 32;
/// Entries of an event's details.
const MAX_DETAILS: usize = 16;

/// What became of an observation.
pub enum Observed {
    /// Acknowledge it when this is durable.
    Commit(Commit),
    /// Nobody needs it; acknowledge it when what was queued before is durable.
    Unwanted(Commit),
}

impl Orchestrator {
    /// Takes in what `node` reports. Repeats and reports of executions nobody knows change nothing.
    pub fn observe(
        &self,
        node: &NodeId,
        sequence: u64,
        observation: Observation,
    ) -> Result<Observed, ChangeError> {
        let now = clock::now();
        let mut guard = self.world();
        let world = guard.get()?;
        // A repeat may be one whose commit is still on its way: it is acknowledged behind that.
        let unwanted = || Ok(Observed::Unwanted(self.barrier()?));
        let Some((job, execution)) = find(world, node, &observation) else { return unwanted() };
        let Some(live) = world.job(&job) else { return unwanted() };
        if sequence <= execution.observed_sequence {
            return unwanted();
        }
        let mut draft = Draft::change(live, now);
        let ended = take_in(&mut draft, execution, sequence, observation);
        // What only says that things go on changes no plan, but for the time at which the execution is overdue, and for
        // an older version that waits for its successor.
        let is_watched = live.spec.task.timeouts.execution().is_some() || live.is_rolling();
        let matters = ended || is_watched;
        let is_now = live.executions.len() <= MAX_INLINE_EXECUTIONS && !is_outranked(world, live);
        if matters && is_now {
            self.plan_into(world, &mut draft);
        }
        let commit = self.commit(world, &draft)?;
        // Those who wait first: whoever is marked may be looked at before the next mark.
        if ended {
            self.mark_waiting(world);
        }
        if matters && !is_now {
            self.mark(world, &job);
        }
        Ok(Observed::Commit(commit))
    }

    /// Capacity became free: the next few waiting jobs get a look.
    fn mark_waiting(&self, world: &World) {
        let mut rotation = self.inner.rotation.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rotation.turn(world.waiting()).into_iter().for_each(|job| self.mark(world, job));
    }
}

/// A job of higher priority waits for what this one may be about to take.
fn is_outranked(world: &World, job: &LiveJob) -> bool {
    world.waiting().first().is_some_and(|(first, _)| first.outranks(&job.precedence()))
}

fn find(world: &World, node: &NodeId, observation: &Observation) -> Option<(JobId, Execution)> {
    let job = world.job_of(&observation.execution_id)?;
    let execution = world.job(job)?.executions.get(&observation.execution_id)?;
    // A node speaks for its own executions only, and an end is the end.
    (execution.node_id == *node && !execution.observed.is_terminal())
        .then(|| (job.clone(), Execution::clone(execution)))
}

/// Puts the observation into the draft; says whether the execution ended with it.
fn take_in(draft: &mut Draft, mut execution: Execution, sequence: u64, observation: Observation) -> bool {
    execution.observed_sequence = sequence;
    execution.observed = observation.state.max(execution.observed);
    execution.observed_message = cut(observation.message);
    execution.published = observation.published.filter(is_small).or(execution.published);
    execution.output = observation.output.map(bounded).or(execution.output);
    let mut reached = execution.modified;
    for event in observation.events.into_iter().take(MAX_EVENTS).map(tidy) {
        // A device that has just started may know the time only roughly, and history goes forward.
        reached = event.at.min(draft.now()).max(reached);
        draft.record(Some(execution.id.clone()), Event { at: reached, ..event });
    }
    let ended = execution.observed.is_terminal();
    if ended {
        settle(&mut execution);
    }
    draft.put_execution(execution);
    ended
}

/// What is wanted of an execution that ended (api.md 2.11). The node needs no word of it.
fn settle(execution: &mut Execution) {
    if execution.desired == DesiredState::Stopped {
        return;
    }
    execution.desired = DesiredState::Stopped;
    execution.desired_message = match execution.observed {
        ObservedState::Completed => "execution completed",
        ObservedState::Refused => "bid rejected",
        ObservedState::Stopped => ENDED_UNASKED,
        _ => "execution failed",
    }
    .to_owned();
}

/// What a job may say of a publisher, a node may say of what it published.
fn is_small(published: &SpecConfig) -> bool {
    published.kind.len() <= MAX_TEXT_BYTES && published.params.len() <= MAX_PARAMS_BYTES
}

fn tidy(mut event: Event) -> Event {
    event.message = cut(event.message);
    event.topic = cut(event.topic);
    while event.details.len() > MAX_DETAILS {
        event.details.pop_last();
    }
    event.details = event.details.into_iter().map(|(key, value)| (cut(key), cut(value))).collect();
    event
}

fn bounded(mut output: RunOutput) -> RunOutput {
    // A replaced byte takes three.
    let limit = 3 * RunOutput::MAX_BYTES;
    output.stdout = cut_at(output.stdout, limit);
    output.stderr = cut_at(output.stderr, limit);
    output.error = cut(output.error);
    output
}

fn cut(text: String) -> String {
    cut_at(text, MAX_TEXT_BYTES)
}

fn cut_at(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut_at("häß".to_owned(), 2), "h");
        assert_eq!(cut("x".repeat(5000)).len(), MAX_TEXT_BYTES);
    }
}
