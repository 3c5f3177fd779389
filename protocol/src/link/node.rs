//! The node's side.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::LinkError;
use crate::model::{Membership, NodeInfo, NodeUsage, Observation};
use crate::wire::{Decoder, FromNode, Hello, Refusal, ToNode, VersionRange, Welcome, Wish};

/// What the node must act on.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeEvent {
    /// Let in; everything unacknowledged has been queued for sending.
    Welcomed(Welcome),
    /// Not let in.
    Refused(Refusal),
    /// Journal it, then act on it. May repeat what is journaled already.
    Wish(Box<Wish>),
    /// These are durable at the control plane; none of them is the older of two of the same execution. What ended may be
    /// forgotten.
    Acknowledged(Vec<Observation>),
    /// Approved, or waiting again.
    Membership(Membership),
    /// Stop everything and ask again slowly.
    Revoked(String),
    /// Stop and forget these, named by fingerprint.
    Unwanted(Vec<u64>),
}

/// The node's side of the conversation over all its connections.
#[derive(Debug, Default)]
pub struct NodeLink {
    phase: Phase,
    decoder: Decoder,
    outgoing: BytesMut,
    /// Sequences up to here are given out, by this process or an earlier one, or lie below what the control plane has.
    sequence: u64,
    /// Newest state of each execution that was sent and is not acknowledged, by sequence.
    unacknowledged: BTreeMap<u64, Observation>,
    /// Newest state of each execution that was never sent, oldest first.
    unsent: Vec<Observation>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Disconnected,
    AwaitingWelcome,
    Established,
}

impl NodeLink {
    /// A link that gives out sequences above `sequence`.
    pub fn new(sequence: u64) -> Self {
        Self { sequence, ..Self::default() }
    }

    /// A new connection is open: forgets the old one's bytes and opens the conversation.
    pub fn connected(&mut self, hello: Hello) {
        self.disconnected();
        self.phase = Phase::AwaitingWelcome;
        self.send(&FromNode::Hello(Box::new(hello)));
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.phase = Phase::Disconnected;
        self.decoder = Decoder::default();
        self.outgoing.clear();
    }

    /// Whether observations reach the control plane now.
    pub fn is_established(&self) -> bool {
        self.phase == Phase::Established
    }

    /// Takes in bytes of the current connection, cut anywhere.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<NodeEvent>, LinkError> {
        self.decoder.push(bytes);
        let mut events = Vec::new();
        while let Some(frame) = self.decoder.next_frame()? {
            if let Some(message) = ToNode::from_frame(&frame)? {
                events.push(self.handle(message)?);
            }
        }
        Ok(events)
    }

    /// A new state of an execution. It replaces an unacknowledged older one of the same execution; the caller carries that
    /// one's events over, for the case that it was lost. On a connection that has carried the older one, its events are
    /// not sent again.
    ///
    /// It gets its sequence when it is first sent, so always after a welcome and above what the control plane has: that
    /// one takes a lower sequence for a repeat, and a node that lost power may not know which it has used.
    pub fn observe(&mut self, observation: Observation) {
        let is_older = |old: &Observation| old.execution_id == observation.execution_id;
        self.unsent.retain(|old| !is_older(old));
        let older: Vec<Observation> =
            self.unacknowledged.extract_if(.., |_, old| is_older(old)).map(|(_, old)| old).collect();
        if !self.is_established() {
            return self.unsent.push(observation);
        }
        let mut news = observation.clone();
        news.events.retain(|event| !older.iter().any(|old| old.events.contains(event)));
        self.send_observed(observation, news);
    }

    /// The node changed; a later connection tells it in its first message.
    pub fn inform(&mut self, info: NodeInfo) {
        if self.is_established() {
            self.send(&FromNode::Info(Box::new(info)));
        }
    }

    /// What the node has given out changed.
    pub fn report_usage(&mut self, usage: NodeUsage) {
        if self.is_established() {
            self.send(&FromNode::Usage(usage));
        }
    }

    /// The agent stops on purpose.
    pub fn goodbye(&mut self) {
        if self.is_established() {
            self.send(&FromNode::Goodbye);
        }
    }

    /// Bytes to send on the current connection; empty when there are none.
    pub fn transmit(&mut self) -> Bytes {
        self.outgoing.split().freeze()
    }

    /// Observations the control plane has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged.len() + self.unsent.len()
    }

    /// The highest sequence that was given out.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    fn handle(&mut self, message: ToNode) -> Result<NodeEvent, LinkError> {
        if self.phase == Phase::AwaitingWelcome {
            return match message {
                ToNode::Welcome(welcome) => self.welcomed(welcome),
                ToNode::Refused(refusal) => Ok(NodeEvent::Refused(refusal)),
                ToNode::Revoked(reason) => Ok(NodeEvent::Revoked(reason)),
                _ => Err(LinkError::Unexpected("early")),
            };
        }
        match message {
            ToNode::Welcome(_) => Err(LinkError::Unexpected("second welcome")),
            ToNode::Refused(refusal) => Ok(NodeEvent::Refused(refusal)),
            ToNode::Wish(wish) => Ok(NodeEvent::Wish(wish)),
            ToNode::Acknowledged(sequence) => {
                let later = self.unacknowledged.split_off(&(sequence.saturating_add(1)));
                let durable = std::mem::replace(&mut self.unacknowledged, later);
                Ok(NodeEvent::Acknowledged(durable.into_values().collect()))
            }
            ToNode::Membership(membership) => Ok(NodeEvent::Membership(membership)),
            ToNode::Revoked(reason) => Ok(NodeEvent::Revoked(reason)),
            ToNode::Unwanted(executions) => Ok(NodeEvent::Unwanted(executions)),
        }
    }

    fn welcomed(&mut self, welcome: Welcome) -> Result<NodeEvent, LinkError> {
        let offered = VersionRange { lowest: welcome.version, highest: welcome.version };
        VersionRange::OWN.choose(offered)?;
        self.phase = Phase::Established;
        for (sequence, observation) in self.unacknowledged.clone() {
            self.send(&FromNode::Observed { sequence, observation: Box::new(observation) });
        }
        self.sequence = self.sequence.max(welcome.sequence_floor);
        for observation in std::mem::take(&mut self.unsent) {
            self.send_observed(observation.clone(), observation);
        }
        Ok(NodeEvent::Welcomed(welcome))
    }

    /// Sends `news` under a new sequence, and keeps `observation` until it is acknowledged.
    fn send_observed(&mut self, observation: Observation, news: Observation) {
        self.sequence += 1;
        self.send(&FromNode::Observed { sequence: self.sequence, observation: Box::new(news) });
        self.unacknowledged.insert(self.sequence, observation);
    }

    fn send(&mut self, message: &FromNode) {
        message.to_frame().encode(&mut self.outgoing);
    }
}
