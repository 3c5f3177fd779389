//! Which nodes can take a job, and why the others cannot (semantics.md 2.3).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bacalhau_protocol::model::{Constraint, JobSpec, NodeInfo, Operator, Resources, SpecConfig};
use bacalhau_protocol::selector;

use super::message;
use super::nodes::{NodeView, Nodes, Tag};
use super::plan::Explanation;

/// What a job asks of a node.
pub(super) struct Requirements<'a> {
    spec: &'a JobSpec,
    oversubscription_percent: u64,
}

/// Why a node cannot take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unfit<'a> {
    /// The node knows why its engine does not work.
    EngineUnavailable(&'a str),
    Engine,
    Publisher,
    Sources,
    Network,
    Labels,
    TooBig,
    UnknownCapacity,
    Busy,
}

/// Why a node cannot take a job, with all of the node that the words for it depend on. Nodes are counted by it, because
/// finding words for each of ten thousand nodes takes longer than looking at them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grounds<'n> {
    unfit: Unfit<'n>,
    kinds: &'n [String],
    labels: Vec<Option<&'n str>>,
    most: [u64; 4],
}

/// Nodes that do not suit for one reason.
#[derive(Clone, Copy)]
pub(super) struct Among<'n> {
    pub(super) nodes: usize,
    pub(super) example: &'n NodeView,
}

impl<'a> Requirements<'a> {
    pub(super) fn new(spec: &'a JobSpec, oversubscription_percent: u64) -> Self {
        Self { spec, oversubscription_percent }
    }

    /// Looks at what does not change with load. Of several reasons the last in the table of semantics.md 2.3 is told.
    pub(super) fn check<'n>(&self, info: &'n NodeInfo) -> Result<(), Unfit<'n>> {
        let task = &self.spec.task;
        if !task.resources.fits(&info.max_job) {
            return Err(Unfit::TooBig);
        }
        if !self.labels_match(info) {
            return Err(Unfit::Labels);
        }
        if task.network.network_type.is_networked() && !info.accepts_networked {
            return Err(Unfit::Network);
        }
        if self.missing_sources(info).next().is_some() {
            return Err(Unfit::Sources);
        }
        if !task.publisher.is_none() && !lists(&info.publishers, &task.publisher.kind) {
            return Err(Unfit::Publisher);
        }
        if lists(&info.engines, &task.engine.kind) {
            return Ok(());
        }
        let unavailable = info.engines_unavailable.iter().find(|(kind, _)| task.engine.is(kind));
        Err(unavailable.map_or(Unfit::Engine, |(_, reason)| Unfit::EngineUnavailable(reason)))
    }

    /// Whether the node's labels still satisfy the job.
    pub(super) fn labels_match(&self, info: &NodeInfo) -> bool {
        selector::matches(&self.spec.constraints, &info.labels)
    }

    /// Looks at load: with the job, and `promised` to it before, the node may hold as much as over-subscription allows.
    pub(super) fn check_load(&self, view: &NodeView, promised: &Resources) -> Result<(), Unfit<'static>> {
        let capacity = &view.info.capacity;
        if capacity.is_zero() {
            return Err(Unfit::UnknownCapacity);
        }
        let asked = view.allocated.plus(promised).plus(&self.spec.task.resources);
        let limit = scale(capacity, self.oversubscription_percent, 100);
        if asked.fits(&limit) { Ok(()) } else { Err(Unfit::Busy) }
    }

    /// Whether the job would rather run here.
    pub(super) fn is_preferred(&self, info: &NodeInfo) -> bool {
        selector::prefers(&self.spec.constraints, &info.labels)
    }

    /// Percent of the node that would be left free of what the job asks for, after `promised` and the job; of CPU and
    /// memory if it asks for nothing. The scarcest of them counts.
    pub(super) fn room_percent(&self, view: &NodeView, promised: &Resources) -> i64 {
        let asked = &self.spec.task.resources;
        let used = view.allocated.plus(promised).plus(asked);
        let capacity = &view.info.capacity;
        let any = asked.is_zero();
        let rooms = [
            (any || asked.cpu_millis > 0, used.cpu_millis, capacity.cpu_millis),
            (any || asked.memory_bytes > 0, used.memory_bytes, capacity.memory_bytes),
            (asked.disk_bytes > 0, used.disk_bytes, capacity.disk_bytes),
            (asked.gpu > 0, used.gpu, capacity.gpu),
        ];
        let counted = rooms.into_iter().filter(|(counts, ..)| *counts);
        counted.map(|(_, used, capacity)| percent_left(used, capacity)).min().unwrap_or(0)
    }

    /// What `times` executions of the job set aside.
    pub(super) fn resources_times(&self, times: u64) -> Resources {
        scale(&self.spec.task.resources, times, 1)
    }

    /// The shortest lists of the index that together hold every node [`Self::check`] accepts.
    pub(super) fn tags(&self, nodes: &Nodes) -> Vec<Tag> {
        let by_label = self.spec.constraints.iter().filter_map(label_tags);
        let by_engine = vec![Tag::engine(&self.spec.task.engine.kind)];
        let size = |tags: &Vec<Tag>| tags.iter().map(|tag| nodes.tagged_len(*tag)).sum::<usize>();
        by_label.chain([by_engine]).min_by_key(size).unwrap_or_default()
    }

    /// What the words for a reason depend on.
    pub(super) fn grounds<'n>(&self, unfit: Unfit<'n>, view: &'n NodeView) -> Grounds<'n> {
        let info = &*view.info;
        let kinds = match unfit {
            Unfit::Engine => &info.engines[..],
            Unfit::Publisher => &info.publishers[..],
            Unfit::Sources => &info.sources[..],
            _ => &[],
        };
        let value = |constraint: &Constraint| info.labels.get(constraint.label()).map(String::as_str);
        let labels = match unfit {
            Unfit::Labels => self.spec.constraints.iter().map(value).collect(),
            _ => Vec::new(),
        };
        let max = &info.max_job;
        let most = match unfit {
            Unfit::TooBig => [max.cpu_millis, max.memory_bytes, max.disk_bytes, max.gpu],
            _ => [0; 4],
        };
        Grounds { unfit, kinds, labels, most }
    }

    /// The reason as users read it.
    pub(super) fn tell(&self, grounds: &Grounds<'_>, among: Among<'_>) -> String {
        let (task, info) = (&self.spec.task, &among.example.info);
        match grounds.unfit {
            Unfit::EngineUnavailable(reason) => reason.to_owned(),
            Unfit::Engine => unsupported(&task.engine.kind, &info.engines),
            Unfit::Publisher => unsupported(&task.publisher.kind, &info.publishers),
            Unfit::Sources => {
                let missing: Vec<_> = self.missing_sources(info).map(|source| source.kind.as_str()).collect();
                unsupported(&missing.join(", "), &info.sources)
            }
            Unfit::Network => "does not run jobs that require network access".to_owned(),
            Unfit::Labels => selector::mismatch_reason(&self.spec.constraints, &self.named_labels(info)),
            Unfit::TooBig => too_big(&task.resources, &info.max_job),
            Unfit::UnknownCapacity => "node queue usage is unknown".to_owned(),
            Unfit::Busy => busy(among),
        }
    }

    /// Only the labels the job speaks of: with all of them every node would have a reason of its own.
    fn named_labels(&self, info: &NodeInfo) -> BTreeMap<String, String> {
        let named = |key: &String| self.spec.constraints.iter().any(|constraint| constraint.label() == key);
        let labels = info.labels.iter().filter(|(key, _)| named(key));
        labels.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn missing_sources<'n>(&'n self, info: &'n NodeInfo) -> impl Iterator<Item = &'n SpecConfig> {
        let sources = self.spec.task.inputs.iter().map(|input| &input.source);
        sources.filter(|source| !lists(&info.sources, &source.kind))
    }
}

/// Counts `nodes` by the reason `verdict` gives, `None` being a suitable node, and finds the words of each reason once.
pub(super) fn explain<'n, R: Ord>(
    requested: usize,
    nodes: impl Iterator<Item = &'n NodeView>,
    verdict: impl Fn(&'n NodeView) -> Option<R>,
    tell: impl Fn(&R, Among<'n>) -> String,
) -> Explanation {
    let mut explanation = Explanation { requested, ..Explanation::default() };
    let mut reasons: BTreeMap<R, Among<'n>> = BTreeMap::new();
    for view in nodes {
        explanation.available += 1;
        let Some(reason) = verdict(view) else {
            explanation.suitable += 1;
            continue;
        };
        let full = reasons.len() >= Explanation::MAX_REASONS;
        match reasons.get_mut(&reason) {
            Some(among) => among.nodes += 1,
            None if full => explanation.others += 1,
            None => drop(reasons.insert(reason, Among { nodes: 1, example: view })),
        }
    }
    for (reason, among) in reasons {
        explanation.reject_all(tell(&reason, among), among.nodes, &among.example.info.node_id);
    }
    explanation
}

fn lists(kinds: &[String], kind: &str) -> bool {
    kinds.iter().any(|known| known.eq_ignore_ascii_case(kind))
}

/// The labels a node must carry, if the constraint names them; preferences name none.
fn label_tags(constraint: &Constraint) -> Option<Vec<Tag>> {
    let names_labels =
        matches!(constraint.operator, Operator::In | Operator::Equals | Operator::DoubleEquals);
    let required = names_labels && !selector::is_preference(constraint);
    required.then(|| {
        let mut tags: Vec<_> =
            constraint.values.iter().map(|value| Tag::label(constraint.label(), value)).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    })
}

fn percent_left(used: u64, capacity: u64) -> i64 {
    let left = u128::from(capacity.saturating_sub(used)) * 100 / u128::from(capacity.max(1));
    i64::try_from(left).unwrap_or(100)
}

fn scale(resources: &Resources, times: u64, divisor: u64) -> Resources {
    let scale = |amount: u64| {
        u64::try_from(u128::from(amount) * u128::from(times) / u128::from(divisor)).unwrap_or(u64::MAX)
    };
    Resources {
        cpu_millis: scale(resources.cpu_millis),
        memory_bytes: scale(resources.memory_bytes),
        disk_bytes: scale(resources.disk_bytes),
        gpu: scale(resources.gpu),
        gpus: Vec::new(),
    }
}

fn unsupported(kind: &str, known: &[String]) -> String {
    match known {
        [] => format!("does not support {kind}"),
        known => format!("does not support {kind}, only {}", known.join(", ")),
    }
}

fn too_big(asked: &Resources, most: &Resources) -> String {
    let parts = [
        ("CPU", asked.cpu_millis, most.cpu_millis, message::cores as fn(u64) -> String),
        ("memory", asked.memory_bytes, most.memory_bytes, message::bytes),
        ("disk", asked.disk_bytes, most.disk_bytes, message::bytes),
        ("GPUs", asked.gpu, most.gpu, |count| count.to_string()),
    ];
    let offending = parts.into_iter().filter(|(_, asked, most, _)| asked > most);
    let told: Vec<_> = offending
        .map(|(what, asked, most, show)| {
            format!("more {what} ({}) than the maximum available ({})", show(asked), show(most))
        })
        .collect();
    format!("job requires {}", told.join(" and "))
}

/// Every node has numbers of its own, so of several one is told.
fn busy(among: Among<'_>) -> String {
    let view = among.example;
    let mut told = match among.nodes {
        1 => "node busy with".to_owned(),
        _ => format!("busy; {}, for example, has", view.info.node_id.short()),
    };
    let _ = write!(told, " available capacity {}", message::resources(&view.available()));
    let queued = view.queued();
    if !queued.is_zero() {
        let _ = write!(told, " and queue capacity {}", message::resources(&queued));
    }
    told
}
