//! Daemon jobs: always running on every approved node that matches.

use std::collections::BTreeMap;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{Execution, JobState};

use super::draft::Draft;
use super::everywhere::{matching, occupied_nodes, requirements, why_none_matches};
use super::message::StopReason;
use super::outcome::Outcome;
use super::partitions::rest;

/// Stops daemons whose node no longer has the labels, and places those that are missing. A silent node keeps its
/// daemon and may be given one: it learns of it when it comes back.
pub(super) fn plan(draft: &mut Draft<'_>) {
    stop_mismatched(draft);
    let occupied = occupied_nodes(draft);
    let ends = ends_by_node(draft);
    let mut has_match = false;
    for view in matching(draft) {
        has_match = true;
        let node = &view.info.node_id;
        if occupied.contains(node) {
            continue;
        }
        let ended = ends.get(node).map_or(&[][..], Vec::as_slice);
        match rest(draft.snapshot.settings, draft.now, ended.iter().copied()) {
            Some(until) => draft.wake(until),
            None => draft.place(node, 0),
        }
    }
    if draft.runs_something() {
        return;
    }
    match has_match {
        // They rest, or something that was stopped has not ended there.
        true => draft.found_nodes(),
        false => wait_for_nodes(draft),
    }
}

/// A daemon that runs nowhere is Pending, without end. Nodes that suit have it looked at; what it says about those that
/// do not is brought up to date now and then.
fn wait_for_nodes(draft: &mut Draft<'_>) {
    draft.wake(draft.now.after(draft.snapshot.settings.queue_backoff));
    if draft.said_why_it_waits() {
        return;
    }
    let (message, details) = why_none_matches(draft);
    draft.await_nodes(JobState::Pending, message, details);
}

/// An engine that is out of order for a while is no reason to stop what runs; labels are.
fn stop_mismatched(draft: &mut Draft<'_>) {
    let requirements = requirements(draft);
    draft.stop_each(|draft, attempt| {
        let view = draft.snapshot.nodes.get(&attempt.execution.node_id)?;
        (!requirements.labels_match(&view.info)).then_some(StopReason::NoMatch)
    });
}

/// Executions of the current version that ended although they were wanted.
fn ends_by_node<'a>(draft: &Draft<'a>) -> BTreeMap<&'a NodeId, Vec<&'a Execution>> {
    let mut ends: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for attempt in draft.current() {
        let outcome = attempt.outcome();
        if outcome.is_failure() || matches!(outcome, Outcome::Completed | Outcome::Refused) {
            ends.entry(&attempt.execution.node_id).or_default().push(attempt.execution);
        }
    }
    ends
}
