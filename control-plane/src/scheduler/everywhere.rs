//! What ops and daemon jobs share: they run on every node that matches.

use std::collections::{BTreeMap, BTreeSet};

use bacalhau_protocol::ids::NodeId;

use super::draft::{Draft, NODES_AVAILABLE, details};
use super::feasible::{Requirements, explain};
use super::message;
use super::nodes::NodeView;

/// Approved nodes that match the job, reachable or not, and busy or not: each has a queue of its own. Only nodes are
/// looked at that share the job's rarest label or engine.
pub(super) fn matching<'a>(draft: &Draft<'a>) -> impl Iterator<Item = &'a NodeView> + use<'a> {
    let (nodes, requirements) = (draft.snapshot.nodes, requirements(draft));
    requirements
        .tags(nodes)
        .into_iter()
        .flat_map(|tag| nodes.tagged(tag, 0))
        .map(AsRef::as_ref)
        .filter(move |view| requirements.check(&view.info).is_ok())
}

/// Why no approved node matches, for people and for machines. Looks at every node.
pub(super) fn why_none_matches(draft: &Draft<'_>) -> (String, BTreeMap<String, String>) {
    let requirements = requirements(draft);
    let approved = draft.snapshot.nodes.iter().map(AsRef::as_ref).filter(|view| view.is_approved());
    let explanation = explain(
        0,
        approved,
        |view| requirements.check(&view.info).err().map(|unfit| requirements.grounds(unfit, view)),
        |grounds, among| requirements.tell(grounds, among),
    );
    let details = details([(NODES_AVAILABLE, &explanation.available.to_string())]);
    (message::no_matching_nodes(&explanation), details)
}

pub(super) fn requirements<'a>(draft: &Draft<'a>) -> Requirements<'a> {
    Requirements::new(draft.snapshot.spec, draft.snapshot.settings.oversubscription_percent)
}

/// Nodes on which an execution of the job may still be running, wanted or not.
pub(super) fn occupied_nodes<'a>(draft: &Draft<'a>) -> BTreeSet<&'a NodeId> {
    let executions = draft.snapshot.executions.iter();
    executions.filter(|execution| execution.may_be_running()).map(|execution| &execution.node_id).collect()
}
