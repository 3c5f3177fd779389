//! The control plane's side, one per connection.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};

use super::LinkError;
use crate::model::{DesiredState, Membership, NodeInfo, NodeUsage, Observation};
use crate::wire::{
    Decoder, FromNode, Hello, MAX_KNOWN, Refusal, ToNode, VersionMismatch, VersionRange, Welcome, Wish,
    fingerprint,
};

/// Observations taken from a connection before the first of them is durable; a node that sends more is broken.
const MAX_UNACKNOWLEDGED: usize = 16 * 1024;

/// What a node may say of itself, bytes as it is stored.
const MAX_INFO_BYTES: usize = 64 * 1024;

/// What the control plane must act on.
#[derive(Clone, Debug, PartialEq)]
pub enum HubEvent {
    /// Decide whether the node is let in: [`HubLink::welcome`] or [`HubLink::refuse`].
    Hello(Box<Hello>),
    /// Make it durable, then [`HubLink::acknowledge`].
    Observed {
        /// Higher than that of everything told before; the same when it is told again.
        sequence: u64,
        /// The state.
        observation: Box<Observation>,
    },
    /// The node changed.
    Info(Box<NodeInfo>),
    /// What it has given out changed.
    Usage(NodeUsage),
    /// The agent stops on purpose.
    Goodbye,
}

/// The control plane's side of one connection.
#[derive(Debug, Default)]
pub struct HubLink {
    phase: Phase,
    decoder: Decoder,
    outgoing: BytesMut,
    /// Generation of each execution that the node has or was sent, by fingerprint.
    known: BTreeMap<u64, u64>,
    /// Received and not yet durable.
    open: BTreeSet<u64>,
    last_received: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    AwaitingHello,
    Deciding,
    Established,
    Closed,
}

impl HubLink {
    /// A fresh connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in bytes, cut anywhere.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<HubEvent>, LinkError> {
        self.decoder.push(bytes);
        let mut events = Vec::new();
        while let Some(frame) = self.decoder.next_frame()? {
            if let Some(message) = FromNode::from_frame(&frame)? {
                events.push(self.handle(message)?);
            }
        }
        Ok(events)
    }

    /// Which version to speak with a node, or why not.
    pub fn choose_version(hello: &Hello) -> Result<u16, VersionMismatch> {
        VersionRange::OWN.choose(hello.versions)
    }

    /// Lets the node in.
    pub fn welcome(&mut self, welcome: Welcome) {
        self.phase = Phase::Established;
        self.send(&ToNode::Welcome(welcome));
    }

    /// Does not let the node in; close the connection when the bytes are sent.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.phase = Phase::Closed;
        self.send(&ToNode::Refused(refusal));
    }

    /// Tells the node a wish, unless it has this generation or a newer one. The work is left out when the node has it.
    pub fn want(&mut self, mut wish: Wish) {
        if self.phase != Phase::Established {
            return;
        }
        let held = self.known.insert(fingerprint(&wish.execution_id), wish.generation);
        if held.is_some_and(|held| held >= wish.generation) {
            self.known.insert(fingerprint(&wish.execution_id), held.unwrap_or_default());
            return;
        }
        if held.is_some() || wish.desired == DesiredState::Stopped {
            wish.work = None;
        }
        self.send(&ToNode::Wish(Box::new(wish)));
    }

    /// Whether the node has, or was sent, the execution at this generation or a newer one.
    pub fn has(&self, wish: &Wish) -> bool {
        self.known.get(&fingerprint(&wish.execution_id)).is_some_and(|held| *held >= wish.generation)
    }

    /// Tells the node which of the executions it listed are not in `wanted`.
    pub fn disown_all_but(&mut self, wanted: &BTreeSet<u64>) {
        let unwanted: Vec<u64> = self.known.keys().filter(|known| !wanted.contains(known)).copied().collect();
        if !unwanted.is_empty() && self.phase == Phase::Established {
            self.send(&ToNode::Unwanted(unwanted));
        }
    }

    /// The observation with this sequence is durable. Acknowledges as far as there are no gaps.
    pub fn acknowledge(&mut self, sequence: u64) {
        if !self.open.remove(&sequence) || self.phase != Phase::Established {
            return;
        }
        let durable = self.open.first().map_or(self.last_received, |open| open - 1);
        if durable >= sequence {
            self.send(&ToNode::Acknowledged(durable));
        }
    }

    /// The execution ended and the node may forget it.
    pub fn forget(&mut self, execution: u64) {
        self.known.remove(&execution);
    }

    /// Approved, or waiting again.
    pub fn set_membership(&mut self, membership: Membership) {
        if self.phase == Phase::Established {
            self.send(&ToNode::Membership(membership));
        }
    }

    /// No longer a member. Close the connection once the node closed its side, or after a while.
    pub fn revoke(&mut self, reason: String) {
        if matches!(self.phase, Phase::Established | Phase::Deciding) {
            self.send(&ToNode::Revoked(reason));
            self.phase = Phase::Closed;
        }
    }

    /// Bytes to send; empty when there are none.
    pub fn transmit(&mut self) -> Bytes {
        self.outgoing.split().freeze()
    }

    fn handle(&mut self, message: FromNode) -> Result<HubEvent, LinkError> {
        match (&self.phase, message) {
            (Phase::AwaitingHello, FromNode::Hello(hello)) => self.greeted(hello),
            (_, FromNode::Hello(_)) => Err(LinkError::Unexpected("second hello")),
            (Phase::AwaitingHello | Phase::Deciding, _) => Err(LinkError::Unexpected("early")),
            (_, FromNode::Observed { sequence, observation }) => self.observed(sequence, observation),
            (_, FromNode::Info(info)) => is_short(&info).map(|()| HubEvent::Info(info)),
            (_, FromNode::Usage(usage)) => Ok(HubEvent::Usage(usage)),
            (_, FromNode::Goodbye) => Ok(HubEvent::Goodbye),
        }
    }

    fn greeted(&mut self, hello: Box<Hello>) -> Result<HubEvent, LinkError> {
        if hello.known.len() > MAX_KNOWN {
            return Err(LinkError::Limit { what: "executions of a node", limit: MAX_KNOWN });
        }
        is_short(&hello.info)?;
        self.phase = Phase::Deciding;
        self.known = hello.known.iter().map(|known| (known.execution, known.generation)).collect();
        Ok(HubEvent::Hello(hello))
    }

    fn observed(&mut self, sequence: u64, observation: Box<Observation>) -> Result<HubEvent, LinkError> {
        if sequence <= self.last_received {
            return Err(LinkError::OutOfOrder { last: self.last_received, got: sequence });
        }
        if self.open.len() >= MAX_UNACKNOWLEDGED {
            return Err(LinkError::Limit { what: "unacknowledged observations", limit: MAX_UNACKNOWLEDGED });
        }
        self.last_received = sequence;
        self.open.insert(sequence);
        Ok(HubEvent::Observed { sequence, observation })
    }

    fn send(&mut self, message: &ToNode) {
        message.to_frame().encode(&mut self.outgoing);
    }
}

fn is_short(info: &NodeInfo) -> Result<(), LinkError> {
    match postcard::to_stdvec(info).map(|bytes| bytes.len()) {
        Ok(..=MAX_INFO_BYTES) => Ok(()),
        _ => Err(LinkError::Limit { what: "bytes of a node's labels and properties", limit: MAX_INFO_BYTES }),
    }
}
