//! What every job needs before anything new is placed: executions end whose job, node, time or version is over.

use std::time::Duration;

use bacalhau_protocol::model::{JobType, ObservedState, topic};

use super::draft::{Attempt, Draft, details};
use super::message::{self, StopReason};
use super::rollout;
use super::standing::Standing;

/// Ends what is over, and the job too if its time is.
pub(super) fn reconcile(draft: &mut Draft<'_>) {
    if draft.job_state().is_terminal() {
        draft.stop_each(|_, _| Some(StopReason::JobStopped));
        return;
    }
    stop_on_gone_nodes(draft);
    if !draft.snapshot.spec.job_type.is_long_running() {
        end_total_timeout(draft);
        stop_overdue(draft);
    }
    rollout::stop_older(draft);
}

fn stop_on_gone_nodes(draft: &mut Draft<'_>) {
    draft.stop_each(|draft, attempt| {
        match draft.standing(&attempt.execution.node_id, draft.snapshot.settings.silence) {
            Standing::Gone(reason) => Some(reason),
            _ => None,
        }
    });
}

/// Fails a job that is past its total timeout. An ops job lives on if only unreachable targets were left: they end
/// here, and the others decide.
fn end_total_timeout(draft: &mut Draft<'_>) {
    let Some(limit) = draft.snapshot.spec.task.timeouts.total() else { return };
    let deadline = draft.snapshot.job.version_created.after(limit);
    if deadline > draft.now {
        return draft.wake(deadline);
    }
    if draft.snapshot.spec.job_type == JobType::Ops && draft.snapshot.job.targets_fixed {
        draft.stop_each(|draft, attempt| is_unreachable(draft, attempt).then_some(StopReason::Unreachable));
        if !draft.runs_something() {
            return;
        }
    }
    let details = details([("FailsExecution", "true"), ("Hint", message::TIMEOUT_HINT)]);
    draft.fail(topic::JOB_TIMEOUT, message::job_timed_out(limit), details);
}

/// Its node is not connected and never said a word about it.
fn is_unreachable(draft: &Draft<'_>, attempt: &Attempt<'_>) -> bool {
    attempt.execution.observed == ObservedState::Unheard
        && draft.standing(&attempt.execution.node_id, Duration::ZERO) != Standing::Connected
}

/// Nodes end their own overdue executions; this is for those that do not answer.
fn stop_overdue(draft: &mut Draft<'_>) {
    let Some(limit) = draft.snapshot.spec.task.timeouts.execution() else { return };
    let bound = limit.saturating_add(draft.snapshot.settings.timeout_grace);
    let due = |attempt: &Attempt<'_>| {
        matches!(attempt.execution.observed, ObservedState::Running | ObservedState::Publishing)
            .then(|| attempt.execution.modified.after(bound))
    };
    draft.stop_each(|draft, attempt| {
        due(attempt).filter(|due| *due <= draft.now).map(|_| StopReason::TimedOut(limit))
    });
    let next = draft.attempts.iter().filter(|attempt| attempt.is_live()).filter_map(due).min();
    if let Some(next) = next {
        draft.wake(next);
    }
}
