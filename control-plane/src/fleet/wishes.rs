//! What is wanted of every node, as far as it is durable. Follows the store's watch; sessions draw from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bacalhau_protocol::ids::{ExecutionId, NodeId};
use bacalhau_protocol::model::Execution;
use tokio::sync::Notify;

/// What is wanted of every node.
#[derive(Default)]
pub(super) struct Wishes {
    nodes: Mutex<HashMap<NodeId, OfNode>>,
}

/// What is wanted of one node.
#[derive(Default)]
struct OfNode {
    /// Executions that may still run there, wanted or not.
    live: BTreeMap<ExecutionId, Arc<Execution>>,
    /// Those the session has not seen in their present form, and those that are gone.
    changed: BTreeSet<ExecutionId>,
    /// Wakes the session, if there is one.
    session: Option<Arc<Notify>>,
}

impl OfNode {
    fn is_of(&self, session: &Arc<Notify>) -> bool {
        self.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session))
    }
}

/// Something of an execution that a session has not seen yet.
pub(super) enum Change {
    /// Its present form.
    Wanted(Arc<Execution>),
    /// It ended; the node may forget it.
    Gone(ExecutionId),
}

impl Wishes {
    /// Takes in an execution's durable form.
    pub(super) fn put(&self, execution: Execution) {
        let mut nodes = self.lock();
        let is_live = execution.may_be_running();
        if !is_live && !nodes.contains_key(&execution.node_id) {
            return;
        }
        let id = execution.id.clone();
        let node_id = execution.node_id.clone();
        let node = nodes.entry(node_id.clone()).or_default();
        if is_live {
            node.live.insert(id.clone(), Arc::new(execution));
        } else if node.live.remove(&id).is_none() {
            return;
        }
        match &node.session {
            Some(session) => {
                node.changed.insert(id);
                session.notify_one();
            }
            None if node.live.is_empty() => drop(nodes.remove(&node_id)),
            None => {}
        }
    }

    /// Starts over with these executions; every session looks at all of its own again.
    pub(super) fn replace(&self, executions: impl IntoIterator<Item = Execution>) {
        let mut nodes = self.lock();
        nodes.values_mut().for_each(|node| {
            node.changed.extend(node.live.keys().cloned());
            node.live.clear();
        });
        for execution in executions.into_iter().filter(Execution::may_be_running) {
            let node = nodes.entry(execution.node_id.clone()).or_default();
            node.changed.insert(execution.id.clone());
            node.live.insert(execution.id.clone(), Arc::new(execution));
        }
        for node in nodes.values_mut() {
            match &node.session {
                Some(session) => session.notify_one(),
                None => node.changed.clear(),
            }
        }
        nodes.retain(|_, node| node.session.is_some() || !node.live.is_empty());
    }

    /// A session begins, and is woken by every change from now on. Says what is wanted of its node; all of that counts
    /// as changed.
    pub(super) fn subscribe(&self, id: &NodeId, session: Arc<Notify>) -> Vec<ExecutionId> {
        let mut nodes = self.lock();
        let node = nodes.entry(id.clone()).or_default();
        node.changed = node.live.keys().cloned().collect();
        node.session = Some(session);
        node.live.keys().cloned().collect()
    }

    /// A session ends. Does nothing when a newer one has taken its place.
    pub(super) fn unsubscribe(&self, id: &NodeId, session: &Arc<Notify>) {
        let mut nodes = self.lock();
        let Some(node) = nodes.get_mut(id) else { return };
        if node.is_of(session) {
            node.session = None;
            node.changed.clear();
            if node.live.is_empty() {
                nodes.remove(id);
            }
        }
    }

    /// Something that the session has not seen yet, in its present form. Nothing for one whose place was taken.
    pub(super) fn next_change(&self, id: &NodeId, session: &Arc<Notify>) -> Option<Change> {
        let mut nodes = self.lock();
        let node = nodes.get_mut(id).filter(|node| node.is_of(session))?;
        let changed = node.changed.pop_first()?;
        Some(node.live.get(&changed).cloned().map_or(Change::Gone(changed), Change::Wanted))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, OfNode>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{DesiredState, ObservedState};
    use bacalhau_protocol::wire::record::{self, Kind};

    use super::*;

    /// The protocol's own sample, which may be running.
    fn execution(id: &str) -> Execution {
        let sample = include_bytes!("../../../protocol/golden/record-execution.bin");
        let sample: Execution = record::decode(Kind::Execution, sample).unwrap();
        let (desired, observed) = (DesiredState::Running, ObservedState::Running);
        Execution { id: ExecutionId::parse(id).unwrap(), desired, observed, ..sample }
    }

    fn told(change: Option<Change>) -> Option<(String, bool)> {
        change.map(|change| match change {
            Change::Wanted(execution) => (execution.id.to_string(), true),
            Change::Gone(id) => (id.to_string(), false),
        })
    }

    #[test]
    fn a_session_takes_what_is_wanted_bit_by_bit_and_only_while_it_is_the_nodes_session() {
        let wishes = Wishes::default();
        let node = execution("e-1").node_id;
        ["e-1", "e-2"].into_iter().for_each(|id| wishes.put(execution(id)));
        let (older, session) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        assert_eq!(wishes.subscribe(&node, older.clone()).len(), 2);
        assert_eq!(told(wishes.next_change(&node, &older)), Some(("e-1".to_owned(), true)));

        let wanted = wishes.subscribe(&node, session.clone());
        assert_eq!(wanted.iter().map(ExecutionId::as_str).collect::<Vec<_>>(), ["e-1", "e-2"]);
        assert_eq!(told(wishes.next_change(&node, &older)), None);
        wishes.put(Execution { observed: ObservedState::Completed, ..execution("e-2") });
        let expected = [Some(("e-1".to_owned(), true)), Some(("e-2".to_owned(), false)), None];
        assert_eq!([(); 3].map(|()| told(wishes.next_change(&node, &session))), expected);
    }
}
