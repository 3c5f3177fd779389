//! Ops jobs: once on every node that matches when the job is submitted, and every such node is accounted for.

use std::collections::{BTreeMap, BTreeSet};

use bacalhau_protocol::model::{ObservedState, topic};

use super::draft::Draft;
use super::everywhere::{matching, why_none_matches};
use super::message::{self, StopReason};
use super::outcome::Outcome;
use super::plan::Explanation;
use super::standing::Standing;

/// Job meta key: every target must answer, or the job fails.
const REQUIRE_ALL: &str = "require-all";

/// Fixes the targets once, gives up those that stay silent, and ends the job when every target is final.
pub(super) fn plan(draft: &mut Draft<'_>) {
    if !draft.snapshot.job.targets_fixed {
        if older_version_may_run(draft) {
            return;
        }
        if !fix_targets(draft) {
            return fail_unmatched(draft);
        }
    }
    give_up_silent(draft);
    if !draft.runs_something() {
        conclude(draft);
    }
}

/// A node never runs two versions at once, and all targets are fixed at one time, so the new version waits for the old
/// one's end wherever a node can still tell it.
fn older_version_may_run(draft: &mut Draft<'_>) -> bool {
    let patience = draft.snapshot.settings.silence;
    let ending = draft.attempts.iter().filter(|a| !draft.is_current(a) && a.execution.may_be_running());
    let mut waits = Vec::new();
    for attempt in ending {
        match draft.standing(&attempt.execution.node_id, patience) {
            Standing::Connected => waits.push(None),
            Standing::Quiet { until } => waits.push(Some(until)),
            Standing::Silent | Standing::Gone(_) => {}
        }
    }
    waits.iter().flatten().for_each(|until| draft.wake(*until));
    !waits.is_empty()
}

/// Gives every matching node its execution; one that cannot be reached is only recorded, unless the job has a
/// deadline by which it may come back. False if no node matches.
fn fix_targets(draft: &mut Draft<'_>) -> bool {
    let snapshot = draft.snapshot;
    let has_deadline = snapshot.spec.task.timeouts.total().is_some();
    let known: BTreeSet<_> = draft.current().map(|attempt| &attempt.execution.node_id).collect();
    let mut has_target = false;
    for view in matching(draft) {
        has_target = true;
        let node = &view.info.node_id;
        if known.contains(node) {
            continue;
        }
        match Standing::of(Some(view), snapshot.settings.silence, draft.now) {
            Standing::Silent if !has_deadline => draft.record_unreachable(node),
            Standing::Quiet { until } if !has_deadline => {
                draft.wake(until);
                draft.place(node, 0);
            }
            _ => draft.place(node, 0),
        }
    }
    if has_target {
        draft.fix_targets();
    }
    has_target
}

fn fail_unmatched(draft: &mut Draft<'_>) {
    let (message, details) = why_none_matches(draft);
    draft.fail(topic::SCHEDULING, message, details);
}

/// Without a deadline, a target that is silent for too long is given up: sooner if it was never heard of.
fn give_up_silent(draft: &mut Draft<'_>) {
    if draft.snapshot.spec.task.timeouts.total().is_some() {
        return;
    }
    let settings = draft.snapshot.settings;
    let mut wakes = Vec::new();
    for at in 0..draft.attempts.len() {
        let attempt = draft.attempts[at];
        if !attempt.is_live() {
            continue;
        }
        let (patience, reason) = match attempt.execution.observed {
            ObservedState::Unheard => (settings.silence, StopReason::Unreachable),
            _ => (settings.ops_silence, StopReason::NodeDisappeared),
        };
        match draft.standing(&attempt.execution.node_id, patience) {
            Standing::Silent => draft.stop(at, reason),
            Standing::Quiet { until } => wakes.push(until),
            Standing::Connected | Standing::Gone(_) => {}
        }
    }
    wakes.into_iter().for_each(|until| draft.wake(until));
}

/// How the targets ended.
#[derive(Default)]
struct Tally {
    succeeded: usize,
    failed: usize,
    refused: usize,
    unreachable: usize,
    /// Why nodes failed, refused or were not reached.
    reasons: Explanation,
}

impl Tally {
    fn of(draft: &Draft<'_>) -> Self {
        let mut tally = Self::default();
        for attempt in draft.current() {
            let execution = attempt.execution;
            match attempt.outcome() {
                Outcome::Completed => tally.succeeded += 1,
                Outcome::Refused => {
                    tally.refused += 1;
                    tally.reasons.reject(execution.observed_message.clone(), &execution.node_id);
                }
                Outcome::Lost => {
                    tally.unreachable += 1;
                    tally.reasons.reject(StopReason::Unreachable.text(), &execution.node_id);
                }
                Outcome::Failed | Outcome::TimedOut | Outcome::Stopped | Outcome::Live => {
                    tally.failed += 1;
                    tally.reasons.reject(attempt.reason(), &execution.node_id);
                }
            }
        }
        for placement in draft.placed() {
            tally.unreachable += 1;
            tally.reasons.reject(placement.message.clone(), &placement.node_id);
        }
        tally
    }

    fn total(&self) -> usize {
        self.succeeded + self.failed + self.silent()
    }

    /// Neither succeeded nor failed.
    fn silent(&self) -> usize {
        self.refused + self.unreachable
    }

    /// `7 of 10 nodes succeeded, 1 failed, 2 unreachable`.
    fn summary(&self) -> String {
        let parts = [(self.failed, "failed"), (self.refused, "refused"), (self.unreachable, "unreachable")];
        let told = parts.iter().filter(|(count, _)| *count > 0);
        let head = format!("{} of {} nodes succeeded", self.succeeded, self.total());
        told.fold(head, |text, (count, what)| format!("{text}, {count} {what}"))
    }
}

/// Every target is final: the job is Completed if all that ran succeeded and something ran.
fn conclude(draft: &mut Draft<'_>) {
    let tally = Tally::of(draft);
    let all_required = draft.snapshot.spec.meta.get(REQUIRE_ALL).is_some_and(|value| value == "true");
    let cause = match () {
        () if tally.failed > 0 => message::EXECUTIONS_FAILED,
        () if tally.succeeded == 0 => "Job failed because no node answered",
        () if all_required && tally.silent() > 0 => "Job failed because it requires an answer of every node",
        () if tally.silent() > 0 => return draft.complete(tally.summary()),
        () => return draft.complete(String::new()),
    };
    let message = format!("{cause}. {}{}", tally.summary(), message::reason_lines(&tally.reasons));
    draft.fail(topic::SCHEDULING, message, BTreeMap::new());
}
