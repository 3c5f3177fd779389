//! Nodes: who may join, who may work, who is there.

mod connections;
mod greeting;

use std::sync::Arc;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{
    DesiredState, Event, Execution, Membership, NodeInfo, NodeUsage, ObservedState, topic,
};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::record::{self, Kind};

use super::{ChangeError, Commit, Orchestrator};
use crate::clock;
use crate::scheduler::{NODE_DELETED, NODE_REJECTED, Reachable};
use crate::state::{Draft, LiveJob, NodeRecord, World, keys};
use crate::store::Txn;

pub(super) use self::connections::Connections;
pub use self::connections::NodeStatus;
pub use self::greeting::{Greeting, Guest};

/// What an administrator decides about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// It may take work. With `replace_key` the key that asked last takes over the node id.
    Approve {
        /// For a device that was set up anew.
        replace_key: bool,
    },
    /// It may not; its work is stopped.
    Reject,
    /// Forget it; its work is stopped. It may ask again.
    Delete,
}

impl NodeChange {
    /// What became of the node, for the log.
    fn in_a_word(&self) -> &'static str {
        match self {
            Self::Approve { replace_key: false } => "approved",
            Self::Approve { replace_key: true } => "approved with another key",
            Self::Reject => "rejected",
            Self::Delete => "deleted",
        }
    }
}

/// Why a node was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// There is no such node.
    #[error("node not found: {0}")]
    NotFound(String),
    /// It is so already.
    #[error("node {id} already {state}")]
    Already {
        /// The node.
        id: NodeId,
        /// `approved` or `rejected`.
        state: &'static str,
    },
    /// `replace_key` without another key that asked.
    #[error("node {0} has not been asked for by another key; there is nothing to replace")]
    NoOtherKey(NodeId),
    /// It could not be made durable.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// A node that was let in, or not.
pub struct Greeted {
    /// The answer.
    pub greeting: Greeting,
    /// Wait for this before the answer is sent.
    pub commit: Option<Commit>,
    /// Highest observation sequence taken in from the node's executions in progress.
    pub sequence_floor: u64,
}

impl Orchestrator {
    /// Decides whether a node is let in, and keeps what it says about itself.
    pub fn greet(&self, guest: &Guest<'_>) -> Result<Greeted, ChangeError> {
        let now = clock::now();
        let mut guard = self.world();
        let world = guard.get()?;
        let id = &guest.info.node_id;
        let (record, greeting) = greeting::decide(world.node(id).map(|record| &**record), guest, now);
        let commit = record.map(|record| self.put_node(world, record, now)).transpose()?;
        let executions = world.executions_on(id);
        let sequence_floor =
            executions.iter().map(|execution| execution.observed_sequence).max().unwrap_or(0);
        Ok(Greeted { greeting, commit, sequence_floor })
    }

    /// Whether a node that was let in still stands as it was told. To be asked once its session follows changes: what
    /// was decided in between has reached nobody.
    pub fn stands(&self, id: &NodeId, key: &str, membership: Membership) -> bool {
        let is_so = |record: &NodeRecord| record.key == key && record.membership == membership;
        self.world().get().is_ok_and(|world| world.node(id).is_some_and(|record| is_so(record)))
    }

    /// A node that was let in can be reached from now on.
    pub fn node_connected(&self, id: &NodeId, usage: NodeUsage) {
        let now = clock::now();
        self.inner.nodes.connected(id, usage, now);
        if let Ok(world) = self.world().get() {
            world.set_reachable(id, Reachable::Connected);
            self.mark_concerned(world, id);
        }
    }

    /// A node cannot be reached any more.
    pub fn node_disconnected(&self, id: &NodeId, error: &str) {
        let now = clock::now();
        self.inner.nodes.disconnected(id, error, now);
        if let Ok(world) = self.world().get() {
            world.set_reachable(id, Reachable::Silent { since: now });
            world.missing(id).into_iter().for_each(|job| self.mark(world, job));
        }
    }

    /// What a node has given out changed; kept in memory only.
    pub fn node_usage(&self, id: &NodeId, usage: NodeUsage) {
        self.inner.nodes.used(id, usage);
    }

    /// A node was heard; kept in memory only.
    pub fn node_heard(&self, id: &NodeId, at: Timestamp) {
        self.inner.nodes.heard(id, at);
    }

    /// A node's labels, capacity or engines changed.
    pub fn node_informed(&self, info: NodeInfo) -> Result<Option<Commit>, ChangeError> {
        let now = clock::now();
        let mut guard = self.world();
        let world = guard.get()?;
        let Some(record) = world.node(&info.node_id).filter(|record| record.info != info) else {
            return Ok(None);
        };
        let record = NodeRecord { info, modified: now, ..NodeRecord::clone(record) };
        let id = record.id.clone();
        let commit = self.put_node(world, record, now)?;
        self.mark_concerned(world, &id);
        Ok(Some(commit))
    }

    /// Does what an administrator decided. When this returns, it is on disk; the node hears it at once.
    pub async fn change_node(&self, id: &NodeId, change: NodeChange, message: &str) -> Result<(), NodeError> {
        let decision = change.in_a_word();
        let commit = {
            let now = clock::now();
            let mut guard = self.world();
            let world = guard.get()?;
            let record = world.node(id).ok_or_else(|| NodeError::NotFound(id.to_string()))?;
            let record =
                NodeRecord { message: message.to_owned(), modified: now, ..NodeRecord::clone(record) };
            self.decided(world, record, change, now)?
        };
        commit.durable().await?;
        tracing::info!(node = %id, decision, "an administrator decided about the node");
        Ok(())
    }

    /// All nodes, or those whose id begins with `start`, as they are now. What is told of them is durable.
    pub async fn nodes(&self, start: &str) -> Result<Vec<NodeStatus>, ChangeError> {
        self.nodes_that(start, |_, _| true).await
    }

    /// Those of them that are `wanted`, which is told their record and whether they can be reached. The world is locked
    /// only while they are looked up.
    pub async fn nodes_that(
        &self,
        start: &str,
        wanted: impl Fn(&NodeRecord, bool) -> bool,
    ) -> Result<Vec<NodeStatus>, ChangeError> {
        let (found, told): (Vec<_>, _) = {
            let mut guard = self.world();
            let world = guard.get()?;
            let records =
                world.node_records_from(start).take_while(|record| record.id.as_str().starts_with(start));
            let found =
                records.map(|record| (record.clone(), world.nodes().get(&record.id).cloned())).collect();
            (found, self.barrier()?)
        };
        told.durable().await?;
        Ok(self.inner.nodes.statuses(found, wanted))
    }

    fn decided(
        &self,
        world: &mut World,
        mut record: NodeRecord,
        change: NodeChange,
        now: Timestamp,
    ) -> Result<Commit, NodeError> {
        let id = record.id.clone();
        match change {
            NodeChange::Approve { replace_key } => {
                approve(&mut record, replace_key)?;
                let commit = self.put_node(world, record, now)?;
                self.mark_concerned(world, &id);
                Ok(commit)
            }
            NodeChange::Reject if record.membership == Membership::Rejected => {
                Err(NodeError::Already { id, state: "rejected" })
            }
            NodeChange::Reject => {
                record.membership = Membership::Rejected;
                let commit = self.end_all_on(world, &id, NODE_REJECTED, put(&record))?;
                world.put_node(Arc::new(record), now);
                Ok(commit)
            }
            NodeChange::Delete => {
                let gone = Txn::new().delete(keys::node(&id));
                let commit = self.end_all_on(world, &id, NODE_DELETED, gone)?;
                world.remove_node(&id);
                self.inner.nodes.remove(&id);
                Ok(commit)
            }
        }
    }

    fn put_node(&self, world: &mut World, record: NodeRecord, now: Timestamp) -> Result<Commit, ChangeError> {
        let commit = self.queue(vec![put(&record)])?;
        world.put_node(Arc::new(record), now);
        Ok(commit)
    }

    /// A node that is no member any more is not waited for: what ran there counts as ended. That and `decision`, what
    /// becomes of the node's record, are taken whole or not at all; the jobs are looked at afterwards.
    fn end_all_on(
        &self,
        world: &mut World,
        node: &NodeId,
        why: &str,
        decision: Txn,
    ) -> Result<Commit, ChangeError> {
        let jobs = world.jobs_on(node);
        let jobs = jobs.iter().filter_map(|id| world.job(id));
        let drafts: Vec<Draft> = jobs.map(|job| without(job, node, why)).collect();
        let ends = drafts.iter().flat_map(|draft| world.txns(draft));
        let commit = self.queue(std::iter::once(decision).chain(ends).collect())?;
        for draft in &drafts {
            world.apply(draft);
            self.mark(world, &draft.head.id);
        }
        Ok(commit)
    }

    fn mark_concerned(&self, world: &World, node: &NodeId) {
        world.concerned_by(node).into_iter().for_each(|job| self.mark(world, job));
    }
}

fn put(record: &NodeRecord) -> Txn {
    Txn::new().put(keys::node(&record.id), record::encode(Kind::Node, record))
}

/// The job once what may run of it on a node counts as ended.
fn without(job: &LiveJob, node: &NodeId, message: &str) -> Draft {
    let mut draft = Draft::change(job, clock::now());
    for execution in job.executions.values() {
        if execution.node_id == *node && execution.may_be_running() {
            draft.record(Some(execution.id.clone()), event(&draft, message));
            draft.put_execution(ended(execution, message));
        }
    }
    draft
}

fn approve(record: &mut NodeRecord, replace_key: bool) -> Result<(), NodeError> {
    if replace_key {
        let other = record.other_key.take().ok_or_else(|| NodeError::NoOtherKey(record.id.clone()))?;
        record.key = other.key;
    } else if record.membership == Membership::Approved {
        return Err(NodeError::Already { id: record.id.clone(), state: "approved" });
    }
    record.membership = Membership::Approved;
    Ok(())
}

fn ended(execution: &Execution, message: &str) -> Execution {
    Execution {
        desired: DesiredState::Stopped,
        desired_message: message.to_owned(),
        generation: execution.generation + 1,
        observed: ObservedState::Failed,
        observed_message: message.to_owned(),
        ..execution.clone()
    }
}

fn event(draft: &Draft, message: &str) -> Event {
    let details = [("IsError".to_owned(), "true".to_owned())].into();
    Event { topic: topic::SCHEDULING.to_owned(), message: message.to_owned(), at: draft.now(), details }
}
