//! The sessions there are, by node.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::Membership;
use bacalhau_protocol::wire::close;
use quinn_proto::ConnectionId;
use tokio::sync::{Notify, watch};

use super::Shared;
use super::recall::Peer;
use crate::clock;

/// How often the transport is asked whether it heard of its node. Costs no message.
const LIFE_CHECK: Duration = Duration::from_secs(15);

/// What a node is to the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Let in.
    Member {
        /// Pending or approved.
        membership: Membership,
        /// The key that holds the node id.
        key: String,
    },
    /// Not any more; the text is for people.
    Revoked(String),
}

/// The way to a running session.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) connection: quinn::Connection,
    standing: watch::Sender<Standing>,
    id: Option<ConnectionId>,
    address: SocketAddr,
    datagrams: u64,
}

/// All running sessions.
#[derive(Default)]
pub(super) struct Sessions {
    by_node: Mutex<HashMap<NodeId, Handle>>,
    changed: Notify,
}

impl Sessions {
    /// A session begins; an older one of the same node is closed.
    pub(super) fn begin(
        &self,
        id: &NodeId,
        connection: quinn::Connection,
        connection_id: Option<ConnectionId>,
        standing: Standing,
    ) -> watch::Receiver<Standing> {
        let (sender, receiver) = watch::channel(standing);
        let address = connection.remote_address();
        let handle = Handle { connection, standing: sender, id: connection_id, address, datagrams: 0 };
        if let Some(older) = self.lock().insert(id.clone(), handle) {
            older.connection.close(close::SUPERSEDED.into(), address.to_string().as_bytes());
        }
        self.changed.notify_one();
        receiver
    }

    /// Waits until a session has begun, or a node's address has changed, since the last wait.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What it takes to reset the connections.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let sessions = self.lock();
        let peers = sessions.values().filter_map(|handle| {
            Some(Peer { id: handle.id?, address: handle.address, local_ip: handle.connection.local_ip() })
        });
        peers.collect()
    }

    /// A session ends; says whether it was the node's current one.
    pub(super) fn end(&self, id: &NodeId, connection: &quinn::Connection) -> bool {
        let mut sessions = self.lock();
        let is_current =
            sessions.get(id).is_some_and(|handle| handle.connection.stable_id() == connection.stable_id());
        if is_current {
            sessions.remove(id);
        }
        is_current
    }

    /// The connection of a node that can be reached.
    pub(super) fn connection(&self, id: &NodeId) -> Option<quinn::Connection> {
        self.lock().get(id).map(|handle| handle.connection.clone())
    }

    /// Where the node's session comes from, if it has proven to hold this key.
    pub(super) fn holder(&self, id: &NodeId, key: &str) -> Option<SocketAddr> {
        let sessions = self.lock();
        let handle = sessions.get(id)?;
        let is_holder =
            matches!(&*handle.standing.borrow(), Standing::Member { key: holder, .. } if holder == key);
        is_holder.then_some(handle.address)
    }

    /// Tells a node's session what the node is from now on.
    pub(super) fn set_standing(&self, id: &NodeId, standing: Standing) {
        if let Some(handle) = self.lock().get(id) {
            handle.standing.send_if_modified(|current| {
                let changed = *current != standing;
                *current = standing;
                changed
            });
        }
    }

    /// Nodes whose transport received anything since the last time. Their addresses are followed.
    fn heard(&self) -> Vec<NodeId> {
        let mut sessions = self.lock();
        let heard = sessions.iter_mut().filter_map(|(id, handle)| {
            let address = handle.connection.remote_address();
            if std::mem::replace(&mut handle.address, address) != address {
                self.changed.notify_one();
            }
            let datagrams = handle.connection.stats().udp_rx.datagrams;
            let is_new = std::mem::replace(&mut handle.datagrams, datagrams) != datagrams;
            is_new.then(|| id.clone())
        });
        heard.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Handle>> {
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes which nodes were heard, for people who ask. Keep-alives are the heartbeat; nothing is written.
pub(super) async fn listen_for_life(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(LIFE_CHECK).await;
        let now = clock::now();
        shared.sessions.heard().iter().for_each(|id| shared.orchestrator.node_heard(id, now));
    }
}
