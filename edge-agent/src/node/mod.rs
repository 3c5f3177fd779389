//! The node: one actor that owns the executions, the journal and the conversation with the control plane.
//!
//! Everything that happens comes to it as a message: bytes of the link, reports of activities, commands. It steps the
//! executions, performs their effects and sleeps until the next message or the next time an execution waits for. It
//! never waits for anything else.

mod actor;
mod conversation;
mod effects;
mod held;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bacalhau_protocol::model::{Membership, NodeInfo};
use tokio::sync::{mpsc, oneshot, watch};

use crate::admission::Admission;
use crate::clock::Clock;
use crate::config;
use crate::journal::{Journal, Recovered};
use crate::link::LinkEvent;
use crate::publisher::LocalPublisher;
use crate::runner::Runner;

use actor::Actor;

/// Commands that wait for the actor.
const WAITING_COMMANDS: usize = 16;

/// What a node is made of.
pub struct Parts {
    /// The node, as it describes itself; its capacity is what the local queue gives out.
    pub info: NodeInfo,
    /// The join secret, if there is one.
    pub secret: Option<String>,
    /// Where state survives.
    pub journal: Journal,
    /// What the journal held.
    pub recovered: Recovered,
    /// The clock that `recovered.facts.fleet_time` started.
    pub clock: Clock,
    /// What decides about executions.
    pub admission: Admission,
    /// What performs activities.
    pub runner: Arc<Runner>,
    /// The link's events.
    pub link: mpsc::Receiver<LinkEvent>,
    /// Sends home what could not be sent before, after each welcome.
    pub archives: Option<Arc<LocalPublisher>>,
}

/// How the node stands with the control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// In conversation now.
    pub is_connected: bool,
    /// What the control plane said last.
    pub membership: Option<Membership>,
    /// Ed25519 key that signs compiled artifacts, as far as it is known.
    pub artifact_key: Option<[u8; 32]>,
}

enum Command {
    Inform(Box<NodeInfo>, config::Admission),
    Shutdown(oneshot::Sender<()>),
}

/// A handle on a running node. Dropping all of them stops it as [`Node::shutdown`] does.
#[derive(Clone, Debug)]
pub struct Node {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl Node {
    /// Goes on where the journal ends; what it held is taken up before this returns. Needs a tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let (commands, waiting) = mpsc::channel(WAITING_COMMANDS);
        let status = Status { artifact_key: parts.recovered.facts.artifact_key, ..Status::default() };
        let (status, seen) = watch::channel(status);
        let mut actor = Actor::new(parts, status);
        actor.restore();
        tokio::spawn(actor.run(waiting));
        Self { commands, status: seen }
    }

    /// The node describes itself anew, and decides by `policy` from now on.
    pub async fn inform(&self, info: NodeInfo, policy: config::Admission) {
        // A node that has stopped needs no description.
        _ = self.commands.send(Command::Inform(Box::new(info), policy)).await;
    }

    /// How it stands with the control plane, now and later.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Stops: tasks are ended, batch and ops executions as interrupted, long-running ones to be started again by the
    /// next agent. Returns when everything is in the journal and the journal is closed.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        if self.commands.send(Command::Shutdown(done)).await.is_ok() {
            _ = finished.await;
        }
    }
}
