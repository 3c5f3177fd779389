//! What an update does to the version before it.
//!
//! A batch or ops job begins anew. Of a service or daemon a part is replaced at a time, so that most of it goes on: the
//! next part follows when what took the place of the one before runs. A version that does not come up thus ends its own
//! rollout.

use std::collections::{BTreeMap, BTreeSet};

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{JobType, ObservedState};

use super::draft::{Attempt, Draft};
use super::everywhere;
use super::message::StopReason;
use super::standing::Standing;

/// What one execution at a time holds: a partition of a service, a node of a daemon.
type Place<'a> = (u32, Option<&'a NodeId>);

/// Stops executions of older versions, as far as the job can spare them.
pub(super) fn stop_older(draft: &mut Draft<'_>) {
    if !draft.attempts.iter().any(|attempt| attempt.is_live() && !draft.is_current(attempt)) {
        return;
    }
    if !draft.snapshot.spec.job_type.is_long_running() {
        return draft.stop_each(|draft, attempt| (!draft.is_current(attempt)).then_some(StopReason::Updated));
    }
    let wanted = wanted(draft);
    // Whether a place has its new execution up; places that have none up at all are not in it.
    let mut up: BTreeMap<Place<'_>, bool> = BTreeMap::new();
    for attempt in draft.attempts.iter().filter(|attempt| serves(draft, attempt)) {
        *up.entry(place(draft, attempt)).or_default() |= draft.is_current(attempt);
    }
    let down = wanted.iter().filter(|place| !up.contains_key(*place)).count();
    let mut spare = at_a_time(draft, wanted.len()).saturating_sub(down);
    for at in 0..draft.attempts.len() {
        let attempt = draft.attempts[at];
        if !attempt.is_live() || draft.is_current(&attempt) {
            continue;
        }
        let place = place(draft, &attempt);
        let is_missed = serves(draft, &attempt) && wanted.contains(&place) && up.get(&place) == Some(&false);
        match (is_missed, spare) {
            (true, 0) => continue,
            (true, _) => spare -= 1,
            (false, _) => {}
        }
        draft.stop(at, StopReason::Updated);
    }
}

fn place<'a>(draft: &Draft<'a>, attempt: &Attempt<'a>) -> Place<'a> {
    match draft.snapshot.spec.job_type {
        JobType::Daemon => (0, Some(&attempt.execution.node_id)),
        _ => (attempt.execution.partition, None),
    }
}

/// It runs, and is heard of.
fn serves(draft: &Draft<'_>, attempt: &Attempt<'_>) -> bool {
    attempt.is_live()
        && matches!(attempt.execution.observed, ObservedState::Running | ObservedState::Publishing)
        && is_connected(draft, &attempt.execution.node_id)
}

fn is_connected(draft: &Draft<'_>, node: &NodeId) -> bool {
    draft.standing(node, draft.snapshot.settings.silence) == Standing::Connected
}

/// Places that should have an execution up: every partition; every node that matches and can be reached.
fn wanted<'a>(draft: &Draft<'a>) -> BTreeSet<Place<'a>> {
    if draft.snapshot.spec.job_type != JobType::Daemon {
        return (0..draft.snapshot.spec.count).map(|partition| (partition, None)).collect();
    }
    let ready = everywhere::matching(draft).filter(|view| view.is_ready());
    ready.map(|view| (0, Some(&view.info.node_id))).collect()
}

/// How many places may be down for the sake of an update.
fn at_a_time(draft: &Draft<'_>, places: usize) -> usize {
    let percent = usize::try_from(draft.snapshot.settings.update_percent).unwrap_or(100);
    (places.saturating_mul(percent) / 100).max(1)
}
