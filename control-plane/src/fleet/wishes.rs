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

    /// A session begins: it is given everything once, and woken by every change.
    pub(super) fn subscribe(&self, id: &NodeId, session: Arc<Notify>) -> Vec<Arc<Execution>> {
        let mut nodes = self.lock();
        let node = nodes.entry(id.clone()).or_default();
        node.changed.clear();
        node.session = Some(session);
        node.live.values().cloned().collect()
    }

    /// A session ends. Does nothing when a newer one has taken its place.
    pub(super) fn unsubscribe(&self, id: &NodeId, session: &Arc<Notify>) {
        let mut nodes = self.lock();
        let Some(node) = nodes.get_mut(id) else { return };
        if node.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            node.session = None;
            node.changed.clear();
            if node.live.is_empty() {
                nodes.remove(id);
            }
        }
    }

    /// What changed since the session looked last.
    pub(super) fn changes(&self, id: &NodeId) -> Vec<Change> {
        let mut nodes = self.lock();
        let Some(node) = nodes.get_mut(id) else { return Vec::new() };
        let changed = std::mem::take(&mut node.changed);
        let now = |id: ExecutionId| node.live.get(&id).cloned().map_or(Change::Gone(id), Change::Wanted);
        changed.into_iter().map(now).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, OfNode>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
