//! Who is there now. In memory only: a restart finds everybody silent, and asks nobody to write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{NodeUsage, Resources};
use bacalhau_protocol::time::Timestamp;

use crate::scheduler::{NodeView, Reachable};
use crate::state::{NodeRecord, World};

/// What is told of a node that has not come back yet.
const NOT_YET_HEARD: &str = "not heard since the control plane started";

/// A node as it is now.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// What is durable.
    pub record: Arc<NodeRecord>,
    /// It can be reached.
    pub is_connected: bool,
    /// When it was heard last; zero when not since the start of this process.
    pub last_heard: Timestamp,
    /// Start of the current connection, or of the last one.
    pub connected_since: Timestamp,
    /// End of the last connection; zero while connected for the first time.
    pub disconnected_since: Timestamp,
    /// Why there is no connection; may be empty.
    pub last_error: String,
    /// What it says it has given out; empty while it cannot be reached.
    pub usage: NodeUsage,
    /// What executions have set aside there.
    pub allocated: Resources,
}

/// The connections' side of all nodes.
#[derive(Default)]
pub(in crate::orchestrator) struct Connections {
    nodes: Mutex<BTreeMap<NodeId, Connection>>,
}

#[derive(Clone, Debug, Default)]
struct Connection {
    is_connected: bool,
    last_heard: Timestamp,
    connected_since: Timestamp,
    disconnected_since: Timestamp,
    last_error: String,
    usage: NodeUsage,
}

impl Connections {
    pub(super) fn connected(&self, id: &NodeId, usage: NodeUsage, now: Timestamp) {
        let mut nodes = self.lock();
        let connection = nodes.entry(id.clone()).or_default();
        connection.is_connected = true;
        connection.connected_since = now;
        connection.last_heard = now;
        connection.last_error.clear();
        connection.usage = usage;
    }

    pub(super) fn disconnected(&self, id: &NodeId, error: &str, now: Timestamp) {
        if let Some(connection) = self.lock().get_mut(id) {
            connection.is_connected = false;
            connection.disconnected_since = now;
            connection.last_error = error.to_owned();
            connection.usage = NodeUsage::default();
        }
    }

    pub(super) fn used(&self, id: &NodeId, usage: NodeUsage) {
        if let Some(connection) = self.lock().get_mut(id) {
            connection.usage = usage;
        }
    }

    pub(super) fn heard(&self, id: &NodeId, at: Timestamp) {
        if let Some(connection) = self.lock().get_mut(id) {
            connection.last_heard = connection.last_heard.max(at);
        }
    }

    pub(super) fn remove(&self, id: &NodeId) {
        self.lock().remove(id);
    }

    /// How those of the nodes stand that are `wanted`.
    pub(super) fn statuses(
        &self,
        nodes: Vec<(Arc<NodeRecord>, Option<Arc<NodeView>>)>,
        wanted: impl Fn(&NodeRecord, bool) -> bool,
    ) -> Vec<NodeStatus> {
        let connections = self.lock();
        let status = |(record, view): (Arc<NodeRecord>, Option<Arc<NodeView>>)| {
            let connection = connections.get(&record.id);
            let is_connected = connection.is_some_and(|connection| connection.is_connected);
            wanted(&record, is_connected).then(|| status(record, connection, view.as_deref()))
        };
        nodes.into_iter().filter_map(status).collect()
    }

    /// Tells a world that was read again who is there.
    pub(in crate::orchestrator) fn restore(&self, world: &mut World) {
        let connected: Vec<NodeId> =
            self.lock().iter().filter(|(_, node)| node.is_connected).map(|(id, _)| id.clone()).collect();
        connected.iter().for_each(|id| world.set_reachable(id, Reachable::Connected));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Connection>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(record: Arc<NodeRecord>, connection: Option<&Connection>, view: Option<&NodeView>) -> NodeStatus {
    let not_yet = || Connection { last_error: NOT_YET_HEARD.to_owned(), ..Connection::default() };
    let connection = connection.cloned().unwrap_or_else(not_yet);
    NodeStatus {
        is_connected: connection.is_connected,
        last_heard: connection.last_heard,
        connected_since: connection.connected_since,
        disconnected_since: connection.disconnected_since,
        last_error: connection.last_error,
        usage: connection.usage,
        allocated: view.map(|view| view.allocated.clone()).unwrap_or_default(),
        record,
    }
}
