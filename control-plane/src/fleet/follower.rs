//! Follows the store and wakes the sessions that a change concerns. The only way from a decision to a node.

use std::sync::Arc;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{Execution, Membership};
use bacalhau_protocol::wire::record::{self, Kind};

use super::Shared;
use super::sessions::Standing;
use crate::state::{LoadError, NodeRecord, World, keys};
use crate::store::{Change, Watch};
use crate::{clock, store};

/// Reads the watch.
pub(super) struct Follower {
    shared: Arc<Shared>,
    watch: Watch,
}

impl Follower {
    /// Reads what is wanted now and follows from there.
    pub(super) async fn start(shared: Arc<Shared>) -> Result<Self, LoadError> {
        let watch = read_all(&shared).await?;
        Ok(Self { shared, watch })
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.watch.next().await {
                Ok(batch) => batch.changes.iter().for_each(|change| self.take_in(change)),
                Err(error) => self.start_over(&error).await,
            }
        }
    }

    /// The log did not reach back far enough: everything is read again.
    async fn start_over(&mut self, error: &store::Error) {
        tracing::info!(%error, "the watch fell behind, reading what nodes should do again");
        loop {
            match read_all(&self.shared).await {
                Ok(watch) => {
                    self.watch = watch;
                    return;
                }
                Err(error) => tracing::error!(%error, "what nodes should do cannot be read, trying again"),
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    fn take_in(&self, change: &Change) {
        if change.key.starts_with(keys::all_executions()) {
            if let Some(value) = &change.value {
                match record::decode::<Execution>(Kind::Execution, value) {
                    Ok(execution) => self.shared.wishes.put(execution),
                    Err(error) => tracing::error!(%error, "a stored execution cannot be read"),
                }
            }
        } else if change.key.starts_with(&keys::nodes()) {
            self.node_changed(change);
        }
    }

    fn node_changed(&self, change: &Change) {
        let id = keys::last_part(&change.key).and_then(|text| NodeId::parse(text).ok());
        let Some(id) = id else { return };
        let standing = match &change.value {
            None => Standing::Revoked("the node was deleted".to_owned()),
            Some(value) => match record::decode::<NodeRecord>(Kind::Node, value) {
                Ok(record) => standing_of(record),
                Err(error) => return tracing::error!(%error, "a stored node cannot be read"),
            },
        };
        self.shared.sessions.set_standing(&id, standing);
    }
}

fn standing_of(record: NodeRecord) -> Standing {
    match record.membership {
        Membership::Rejected if record.message.is_empty() => {
            Standing::Revoked("the node was rejected".to_owned())
        }
        Membership::Rejected => Standing::Revoked(format!("the node was rejected: {}", record.message)),
        membership => Standing::Member { membership, key: record.key },
    }
}

async fn read_all(shared: &Arc<Shared>) -> Result<Watch, LoadError> {
    let store = shared.orchestrator.store();
    loop {
        let revision = store.range(keys::nodes(), keys::nodes(), 1, false).await?.revision;
        let Ok(watch) = store.watch(revision + 1) else { continue };
        let world = World::load(store, clock::now()).await?;
        let nodes: Vec<_> = world.node_records().map(|record| record.id.clone()).collect();
        let executions = nodes.iter().flat_map(|node| world.executions_on(node));
        shared.wishes.replace(executions.map(|execution| Execution::clone(&execution)));
        for record in world.node_records() {
            shared.sessions.set_standing(&record.id, standing_of(NodeRecord::clone(record)));
        }
        return Ok(watch);
    }
}
