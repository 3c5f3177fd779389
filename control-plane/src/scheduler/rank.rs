//! Which of the suitable nodes is best for a batch or service partition.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::Resources;

use super::draft::Draft;
use super::feasible::{Among, Grounds, Requirements, explain};
use super::message;
use super::nodes::{NodeView, mix};
use super::outcome::Outcome;
use super::plan::Explanation;

/// Looks for nodes for the partitions of one job.
pub(super) struct Ranking<'a> {
    requirements: Requirements<'a>,
    history: BTreeMap<&'a NodeId, History<'a>>,
    seed: u64,
}

/// What one job has to do with one node.
#[derive(Default)]
struct History<'a> {
    /// Executions it holds, those chosen by this ranking included.
    held: u64,
    /// How many of them were chosen by this ranking, and so are not in the node's allocation yet.
    chosen: u64,
    /// Failures of the task there that are not forgotten yet.
    failures: u64,
    /// It refused the job not long ago; what it said.
    refusal: Option<&'a str>,
}

/// Why a node does not suit, before it is put into words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Reason<'a, 'n> {
    /// It refused the job not long ago; what it said.
    Refused(&'a str),
    Unfit(Grounds<'n>),
}

/// Best first; the second part only breaks ties.
type Score = (i64, u64);

impl<'a> Ranking<'a> {
    pub(super) fn new(draft: &Draft<'a>) -> Self {
        let snapshot = draft.snapshot;
        Self {
            requirements: Requirements::new(snapshot.spec, snapshot.settings.oversubscription_percent),
            history: histories(draft),
            seed: draft.evaluation.seed,
        }
    }

    /// Up to `wanted` nodes, one per partition.
    ///
    /// Nodes are dealt in rounds: one that holds n executions of the job takes part in round n only, so partitions
    /// share a node when no other can take them, and no node is looked at twice in a round. A round walks the index
    /// from a seeded place and keeps a bounded number of suitable nodes in hand, of which the best goes first.
    pub(super) fn choose(&mut self, draft: &Draft<'a>, wanted: usize) -> Vec<&'a NodeId> {
        let (mut chosen, mut round) = (Vec::new(), Some(0));
        while let Some(held) = round {
            self.deal(draft, held, wanted, &mut chosen);
            let held_more = self.history.values().map(|history| history.held).filter(|more| *more > held);
            round = held_more.min().filter(|_| chosen.len() < wanted);
        }
        chosen
    }

    /// Why the nodes that are ready cannot take one more partition.
    pub(super) fn explain(&self, draft: &Draft<'a>, requested: usize) -> Explanation {
        let ready = draft.snapshot.nodes.iter().map(AsRef::as_ref).filter(|view| view.is_ready());
        explain(requested, ready, |view| self.unsuitable(view), |reason, among| self.tell(reason, among))
    }

    fn deal(&mut self, draft: &Draft<'a>, round: u64, wanted: usize, chosen: &mut Vec<&'a NodeId>) {
        let nodes = draft.snapshot.nodes;
        let tags = self.requirements.tags(nodes);
        let mut walk = tags.into_iter().flat_map(|tag| nodes.tagged(tag, mix(draft.evaluation.seed)));
        let mut hand: BinaryHeap<(Score, Reverse<&'a NodeId>)> = BinaryHeap::new();
        while chosen.len() < wanted {
            while hand.len() < draft.snapshot.settings.sample_nodes.max(1)
                && let Some(view) = walk.next()
            {
                if self.takes_part(view, round) {
                    hand.push((self.score(view), Reverse(&view.info.node_id)));
                }
            }
            let Some((_, Reverse(best))) = hand.pop() else { return };
            let history = self.history.entry(best).or_default();
            history.held += 1;
            history.chosen += 1;
            chosen.push(best);
        }
    }

    fn takes_part(&self, view: &NodeView, round: u64) -> bool {
        let history = self.history.get(&view.info.node_id);
        view.is_ready()
            && history.map_or(0, |history| history.held) == round
            && history.is_none_or(|history| history.refusal.is_none())
            && self.requirements.check_load(view, &self.promised(history)).is_ok()
            && self.requirements.check(&view.info).is_ok()
    }

    fn unsuitable<'n>(&self, view: &'n NodeView) -> Option<Reason<'a, 'n>> {
        let history = self.history.get(&view.info.node_id);
        if let Some(said) = history.and_then(|history| history.refusal) {
            return Some(Reason::Refused(said));
        }
        let load = || self.requirements.check_load(view, &self.promised(history));
        let unfit = self.requirements.check(&view.info).and_then(|()| load()).err()?;
        Some(Reason::Unfit(self.requirements.grounds(unfit, view)))
    }

    fn tell(&self, reason: &Reason<'_, '_>, among: Among<'_>) -> String {
        match reason {
            Reason::Refused("") => message::REJECTED.to_owned(),
            Reason::Refused(said) => format!("{}: {said}", message::REJECTED),
            Reason::Unfit(grounds) => self.requirements.tell(grounds, among),
        }
    }

    /// What this ranking promised the node's resources to.
    fn promised(&self, history: Option<&History<'_>>) -> Resources {
        let times = history.map_or(0, |history| history.chosen);
        self.requirements.resources_times(times)
    }

    /// Sum of: 30 for a node where the task never failed, less 30 for every failure but the first; 10 if the job
    /// prefers the node; up to 100 for room left.
    fn score(&self, view: &NodeView) -> Score {
        let history = self.history.get(&view.info.node_id);
        let failures = history.map_or(0, |history| i64::try_from(history.failures).unwrap_or(i64::MAX));
        let reliability = 30_i64.saturating_sub(failures.saturating_mul(30));
        let preference = if self.requirements.is_preferred(&view.info) { 10 } else { 0 };
        let room = self.requirements.room_percent(view, &self.promised(history));
        (reliability.saturating_add(preference).saturating_add(room), self.tie_break(&view.info.node_id))
    }

    fn tie_break(&self, node: &NodeId) -> u64 {
        node.as_str().bytes().fold(mix(self.seed), |state, byte| mix(state ^ u64::from(byte)))
    }
}

fn histories<'a>(draft: &Draft<'a>) -> BTreeMap<&'a NodeId, History<'a>> {
    let settings = draft.snapshot.settings;
    let recent = |at, memory| draft.now.since(at) < memory;
    let mut histories: BTreeMap<_, History<'a>> = BTreeMap::new();
    for attempt in draft.current() {
        let execution = attempt.execution;
        let history = histories.entry(&execution.node_id).or_default();
        match attempt.outcome() {
            Outcome::Live => history.held += 1,
            Outcome::Failed | Outcome::TimedOut if recent(execution.modified, settings.failure_memory) => {
                history.failures += 1;
            }
            Outcome::Refused if recent(execution.modified, settings.refusal_memory) => {
                history.refusal = Some(&execution.observed_message);
            }
            _ => {}
        }
    }
    histories
}
