//! Every node and how to find the ones that matter without looking at all of them.

use std::sync::Arc;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{Membership, NodeInfo, Resources};
use bacalhau_protocol::time::Timestamp;
use imbl::{OrdMap, OrdSet};

/// One node as the scheduler sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// What it says about itself.
    pub info: Arc<NodeInfo>,
    /// Only approved nodes take work.
    pub membership: Membership,
    /// Whether it can be talked to.
    pub reachable: Reachable,
    /// Sum of what its executions set aside that were not seen to end.
    pub allocated: Resources,
}

/// Whether a node can be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// A session is open.
    Connected,
    /// No session. After a restart of the control plane every node is silent since the restart, which gives it the
    /// usual time to come back.
    Silent {
        /// Last heard of.
        since: Timestamp,
    },
}

impl NodeView {
    /// May take work.
    pub fn is_approved(&self) -> bool {
        self.membership == Membership::Approved
    }

    /// May take work now.
    pub fn is_ready(&self) -> bool {
        self.is_approved() && self.reachable == Reachable::Connected
    }

    /// What is not set aside.
    pub fn available(&self) -> Resources {
        self.info.capacity.minus(&self.allocated)
    }

    /// What is set aside beyond the capacity, and so waits in the node's queue.
    pub fn queued(&self) -> Resources {
        self.allocated.minus(&self.info.capacity)
    }
}

/// All nodes, indexed. Cloning is O(1); a change copies O(log n).
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    views: OrdMap<NodeId, Arc<NodeView>>,
    /// Approved nodes under each [`Tag`] they carry, in an order that has nothing to do with their names.
    index: OrdSet<Entry>,
    /// Number of entries per tag.
    tag_sizes: OrdMap<Tag, usize>,
}

/// Hash of a property that nodes are looked up by. A collision only makes a lookup return more nodes; callers check
/// what they get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(u64);

impl Tag {
    /// Every approved node.
    pub const APPROVED: Self = Self(0);

    /// Nodes with this label.
    pub fn label(key: &str, value: &str) -> Self {
        Self(hash(&[b"label", key.as_bytes(), value.as_bytes()]))
    }

    /// Nodes whose engine of this kind works; kinds are compared without regard to case.
    pub fn engine(kind: &str) -> Self {
        Self(hash(&[b"engine", kind.to_ascii_lowercase().as_bytes()]))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    tag: Tag,
    ring: u64,
    /// `None` sorts first and is only used as a bound.
    node: Option<NodeId>,
}

impl Entry {
    fn bound(tag: Tag, ring: u64) -> Self {
        Self { tag, ring, node: None }
    }
}

impl Nodes {
    /// Adds a node or replaces what was known of it, by its name.
    pub fn insert(&mut self, view: NodeView) {
        let id = view.info.node_id.clone();
        let view = Arc::new(view);
        let old = self.views.insert(id, Arc::clone(&view));
        if old.as_deref().is_some_and(|old| same_tags(old, &view)) {
            return;
        }
        if let Some(old) = old {
            self.unindex(&old);
        }
        self.index(&view);
    }

    /// Forgets a node.
    pub fn remove(&mut self, id: &NodeId) -> Option<Arc<NodeView>> {
        let old = self.views.remove(id)?;
        self.unindex(&old);
        Some(old)
    }

    /// One node.
    pub fn get(&self, id: &NodeId) -> Option<&Arc<NodeView>> {
        self.views.get(id)
    }

    /// All nodes by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<NodeView>> {
        self.views.values()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Notes whether a node can be talked to. Unknown nodes are ignored.
    pub fn set_reachable(&mut self, id: &NodeId, reachable: Reachable) {
        self.update(id, |view| view.reachable = reachable);
    }

    /// Sets resources of a node aside. Unknown nodes are ignored.
    pub fn allocate(&mut self, id: &NodeId, resources: &Resources) {
        self.update(id, |view| view.allocated = view.allocated.plus(resources));
    }

    /// Gives back what [`Self::allocate`] set aside. Unknown nodes are ignored.
    pub fn release(&mut self, id: &NodeId, resources: &Resources) {
        self.update(id, |view| view.allocated = view.allocated.minus(resources));
    }

    /// How many approved nodes carry `tag`.
    pub fn tagged_len(&self, tag: Tag) -> usize {
        self.tag_sizes.get(&tag).copied().unwrap_or(0)
    }

    /// Approved nodes that carry `tag`, each once, beginning at a place chosen by `seed`.
    pub fn tagged(&self, tag: Tag, seed: u64) -> impl Iterator<Item = &Arc<NodeView>> {
        let (first, start) = (Entry::bound(tag, 0), Entry::bound(tag, seed));
        let after = Entry { tag, ring: u64::MAX, node: None };
        self.index
            .range(start.clone()..after)
            .chain(self.index.range(first..start))
            .filter_map(|entry| self.views.get(entry.node.as_ref()?))
    }

    fn update(&mut self, id: &NodeId, change: impl FnOnce(&mut NodeView)) {
        if let Some(view) = self.views.get_mut(id) {
            change(Arc::make_mut(view));
        }
    }

    fn index(&mut self, view: &NodeView) {
        for entry in entries(view) {
            let size = self.tagged_len(entry.tag) + 1;
            self.tag_sizes.insert(entry.tag, size);
            self.index.insert(entry);
        }
    }

    fn unindex(&mut self, view: &NodeView) {
        for entry in entries(view) {
            match self.tagged_len(entry.tag) {
                0 | 1 => self.tag_sizes.remove(&entry.tag),
                size => self.tag_sizes.insert(entry.tag, size - 1),
            };
            self.index.remove(&entry);
        }
    }
}

fn same_tags(old: &NodeView, new: &NodeView) -> bool {
    old.is_approved() == new.is_approved()
        && (Arc::ptr_eq(&old.info, &new.info)
            || (old.info.labels == new.info.labels && old.info.engines == new.info.engines))
}

/// The places of a node in the index: none unless it is approved.
fn entries(view: &NodeView) -> Vec<Entry> {
    if !view.is_approved() {
        return Vec::new();
    }
    let info = &view.info;
    // The last value is kept free to end a range.
    let ring = hash(&[info.node_id.as_str().as_bytes()]).min(u64::MAX - 1);
    let mut tags = vec![Tag::APPROVED];
    tags.extend(info.labels.iter().map(|(key, value)| Tag::label(key, value)));
    tags.extend(info.engines.iter().map(|kind| Tag::engine(kind)));
    tags.sort_unstable();
    tags.dedup();
    tags.into_iter().map(|tag| Entry { tag, ring, node: Some(info.node_id.clone()) }).collect()
}

/// FNV-1a over the parts and their ends, then mixed so that similar names land far apart.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(state)
}

/// The finaliser of SplitMix64: a bijection that spreads every bit over the word.
pub(super) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::scheduler::tests::world::node;

    /// A node of the model: name, role, membership, engine.
    type Change = (u8, u8, bool, bool, bool);

    fn view((name, role, approved, wasm, _): Change) -> NodeView {
        let mut view = node(&format!("n{name}"));
        let info = Arc::make_mut(&mut view.info);
        info.labels.insert("role".to_owned(), role.to_string());
        info.engines = vec![if wasm { "WASM" } else { "docker" }.to_owned()];
        view.membership = if approved { Membership::Approved } else { Membership::Pending };
        view
    }

    fn names<'a>(views: impl Iterator<Item = &'a Arc<NodeView>>) -> Vec<NodeId> {
        views.map(|view| view.info.node_id.clone()).collect()
    }

    fn agree(
        nodes: &Nodes,
        seed: u64,
        tag: Tag,
        carries: impl Fn(&NodeView) -> bool,
    ) -> Result<(), TestCaseError> {
        let found = names(nodes.tagged(tag, seed));
        let walked = names(nodes.iter().filter(|view| view.is_approved() && carries(view)));
        prop_assert_eq!(found.len(), nodes.tagged_len(tag));
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), walked.into_iter().collect());
        Ok(())
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_a_walk_over_all_nodes(
            changes in prop::collection::vec((0..8_u8, 0..3_u8, any::<bool>(), any::<bool>(), any::<bool>()), 0..40),
            seed: u64,
        ) {
            let mut nodes = Nodes::default();
            for change in changes {
                let view = view(change);
                match change.4 {
                    true => nodes.insert(view),
                    false => drop(nodes.remove(&view.info.node_id)),
                }
            }
            agree(&nodes, seed, Tag::APPROVED, |_| true)?;
            agree(&nodes, seed, Tag::label("role", "1"), |view| view.info.labels["role"] == "1")?;
            agree(&nodes, seed, Tag::engine("wasm"), |view| view.info.engines[0] == "WASM")?;
        }
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut nodes = Nodes::default();
        nodes.insert(node("a"));
        let before = nodes.clone();
        let asked = Resources { cpu_millis: 500, ..Resources::default() };
        nodes.allocate(&node("a").info.node_id, &asked);
        nodes.insert(node("b"));
        assert_eq!(before.tagged_len(Tag::APPROVED), 1);
        assert!(before.get(&node("a").info.node_id).unwrap().allocated.is_zero());
        nodes.release(&node("a").info.node_id, &asked);
        assert!(nodes.get(&node("a").info.node_id).unwrap().allocated.is_zero());
    }

    #[test]
    fn different_seeds_begin_at_different_nodes() {
        let mut nodes = Nodes::default();
        (0..100).for_each(|number| nodes.insert(node(&format!("gateway-{number}"))));
        let firsts: BTreeSet<_> = (0..100)
            .filter_map(|seed| names(nodes.tagged(Tag::APPROVED, mix(seed))).first().cloned())
            .collect();
        assert!(firsts.len() > 20, "{firsts:?}");
    }
}
