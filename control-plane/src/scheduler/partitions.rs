//! Batch and service jobs: `count` partitions, each run by one execution at a time.

use std::collections::BTreeMap;

use bacalhau_protocol::model::{Execution, JobState, JobType, topic};
use bacalhau_protocol::time::Timestamp;

use super::Settings;
use super::draft::{Attempt, Draft, NODES_AVAILABLE, details};
use super::message::{self, StopReason};
use super::outcome::Outcome;
use super::plan::Explanation;
use super::rank::Ranking;
use super::standing::Standing;

/// Where a partition stands once surplus executions are stopped.
enum Status<'a> {
    /// Batch: it has a result.
    Done,
    /// It failed and is not tried again; its last failure.
    Failed(Attempt<'a>),
    /// Something runs, or may still run although it is not wanted. To be looked at again at that time.
    Occupied(Option<Timestamp>),
    /// It failed not long ago.
    Resting { until: Timestamp },
    /// Its execution is on a node that is silent for too long; kept at this place of the attempts until another node
    /// takes over.
    Abandoned(usize),
    /// It needs an execution.
    Open,
}

/// Keeps one execution per partition alive until a batch job is done.
pub(super) fn plan(draft: &mut Draft<'_>) {
    let attempts = attempts_by_partition(draft);
    for places in attempts.values() {
        stop_surplus(draft, places);
    }
    let (mut done, mut idle) = (true, true);
    let (mut open, mut abandoned) = (Vec::new(), Vec::new());
    for partition in 0..draft.snapshot.spec.count {
        let places = attempts.get(&partition).map_or(&[][..], Vec::as_slice);
        let status = status(draft, places);
        done &= matches!(status, Status::Done);
        idle &= matches!(status, Status::Done | Status::Open);
        match status {
            Status::Done => {}
            Status::Failed(last) => return fail_job(draft, &last),
            Status::Occupied(again) => again.into_iter().for_each(|at| draft.wake(at)),
            Status::Resting { until } => draft.wake(until),
            Status::Abandoned(place) => abandoned.push((partition, place)),
            Status::Open => open.push(partition),
        }
    }
    if done && is_batch(draft) {
        return draft.complete(String::new());
    }
    let wanted = open.len() + abandoned.len();
    if wanted == 0 {
        return;
    }
    let mut ranking = Ranking::new(draft);
    fill(draft, &mut ranking, &open, &abandoned);
    if draft.placed().len() == wanted {
        return;
    }
    draft.want_nodes();
    if idle && draft.placed().is_empty() {
        wait_for_nodes(draft, &ranking, wanted);
    }
}

fn is_batch(draft: &Draft<'_>) -> bool {
    draft.snapshot.spec.job_type == JobType::Batch
}

/// Places in [`Draft::attempts`], of all versions.
fn attempts_by_partition(draft: &Draft<'_>) -> BTreeMap<u32, Vec<usize>> {
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, attempt) in draft.attempts.iter().enumerate() {
        groups.entry(attempt.execution.partition).or_default().push(place);
    }
    groups
}

/// Leaves the oldest live execution of a partition, or none when it is done.
fn stop_surplus(draft: &mut Draft<'_>, places: &[usize]) {
    let done = places.iter().any(|place| is_done(draft, &draft.attempts[*place]));
    let live = places.iter().copied().filter(|place| draft.attempts[*place].is_live());
    let surplus: Vec<_> = live.skip(usize::from(!done)).collect();
    for place in surplus {
        draft.stop(place, StopReason::Surplus);
    }
}

fn is_done(draft: &Draft<'_>, attempt: &Attempt<'_>) -> bool {
    is_batch(draft) && draft.is_current(attempt) && attempt.outcome() == Outcome::Completed
}

fn status<'a>(draft: &Draft<'a>, places: &[usize]) -> Status<'a> {
    let attempts = || places.iter().map(|place| &draft.attempts[*place]);
    if attempts().any(|attempt| is_done(draft, attempt)) {
        return Status::Done;
    }
    let live = places.iter().copied().find(|place| draft.attempts[*place].is_live());
    if let Some(occupied) = live.and_then(|place| occupied(draft, &draft.attempts[place])) {
        return occupied;
    }
    let failures: Vec<_> = attempts().filter(|attempt| is_failure(draft, attempt)).collect();
    if let Some(last) = failures.last()
        && live.is_none()
        && is_batch(draft)
        && (failures.len() >= attempts_allowed(draft) || last.outcome() == Outcome::TimedOut)
    {
        return Status::Failed(**last);
    }
    let mut ending = attempts().filter(|attempt| !attempt.is_live() && attempt.execution.may_be_running());
    if let Some(occupied) = ending.find_map(|attempt| occupied(draft, attempt)) {
        return occupied;
    }
    if let Some(place) = live {
        return Status::Abandoned(place);
    }
    match rest(draft.snapshot.settings, draft.now, failures.iter().map(|attempt| attempt.execution)) {
        Some(until) => Status::Resting { until },
        None => Status::Open,
    }
}

/// What an execution that may be running does to its partition; nothing if its node is silent for too long.
fn occupied<'a>(draft: &Draft<'a>, attempt: &Attempt<'_>) -> Option<Status<'a>> {
    match draft.standing(&attempt.execution.node_id, draft.snapshot.settings.silence) {
        Standing::Connected => Some(Status::Occupied(None)),
        Standing::Quiet { until } => Some(Status::Occupied(Some(until))),
        Standing::Silent | Standing::Gone(_) => None,
    }
}

/// A service has no good end.
fn is_failure(draft: &Draft<'_>, attempt: &Attempt<'_>) -> bool {
    let outcome = attempt.outcome();
    draft.is_current(attempt) && (outcome.is_failure() || (!is_batch(draft) && outcome == Outcome::Completed))
}

fn attempts_allowed(draft: &Draft<'_>) -> usize {
    usize::try_from(draft.snapshot.settings.attempts.max(1)).unwrap_or(usize::MAX)
}

/// Until when nothing is tried again after these failures, oldest first, if that is not over. Each pause is twice the
/// one before, so two failures are enough to know it; an execution that lived long starts anew.
pub(super) fn rest<'e>(
    settings: &Settings,
    now: Timestamp,
    failures: impl DoubleEndedIterator<Item = &'e Execution>,
) -> Option<Timestamp> {
    let mut newest_first = failures.rev();
    let last = newest_first.next()?;
    let lived_long = last.modified.since(last.created) >= settings.failure_memory;
    let pause = match newest_first.next() {
        Some(before) if !lived_long => last.created.since(before.modified).saturating_mul(2),
        _ => settings.retry_first,
    };
    let until = last.modified.after(pause.max(settings.retry_first).min(settings.retry_max));
    (until > now).then_some(until)
}

fn fail_job(draft: &mut Draft<'_>, last: &Attempt<'_>) {
    let message = match last.outcome() {
        Outcome::TimedOut => message::EXECUTIONS_FAILED,
        _ => message::RETRIED_TOO_OFTEN,
    };
    let execution = last.execution;
    let error = last.reason();
    let details = details([
        ("LastExecution", execution.id.as_str()),
        ("LastError", &error),
        ("LastNode", execution.node_id.as_str()),
    ]);
    let mut cause = Explanation::default();
    cause.reject(error, &execution.node_id);
    draft.fail(topic::SCHEDULING, format!("{message}{}", message::reason_lines(&cause)), details);
}

/// Gives open partitions a node first, then those whose node is silent, as far as there are nodes.
fn fill<'a>(draft: &mut Draft<'a>, ranking: &mut Ranking<'a>, open: &[u32], abandoned: &[(u32, usize)]) {
    let mut nodes = ranking.choose(draft, open.len() + abandoned.len()).into_iter();
    for (partition, node) in open.iter().zip(nodes.by_ref()) {
        draft.place(node, *partition);
    }
    for ((partition, place), node) in abandoned.iter().zip(nodes.by_ref()) {
        draft.stop(*place, StopReason::NodeDisappeared);
        draft.place(node, *partition);
    }
}

/// Nothing runs and nothing can be placed: the job waits, and fails once it has waited long enough. The clock starts
/// with the version, and again whenever something that ran has ended, so a job is not failed for time it used.
fn wait_for_nodes<'a>(draft: &mut Draft<'a>, ranking: &Ranking<'a>, wanted: usize) {
    let snapshot = draft.snapshot;
    let ran =
        draft.current().filter(|attempt| !matches!(attempt.outcome(), Outcome::Refused | Outcome::Stopped));
    let last_end = ran.map(|attempt| attempt.execution.modified).max();
    let since = last_end.max(Some(snapshot.job.version_created)).unwrap_or(snapshot.job.version_created);
    let patience = snapshot.spec.task.timeouts.queue().unwrap_or(snapshot.settings.queue_timeout);
    let deadline = since.after(patience);
    if deadline > draft.now {
        draft.wake(deadline);
        if draft.said_why_it_waits() {
            return;
        }
    }
    let missing = ranking.explain(draft, wanted);
    let message = message::not_enough_nodes(&missing);
    let details = details([
        ("NodesRequested", &missing.requested.to_string()),
        (NODES_AVAILABLE, &missing.available.to_string()),
        ("NodesSuitable", &missing.suitable.to_string()),
    ]);
    if deadline <= draft.now {
        return draft.fail(topic::SCHEDULING, message, details);
    }
    draft.await_nodes(JobState::Queued, message::queued(&message), details);
}
