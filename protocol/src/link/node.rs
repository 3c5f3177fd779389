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
    /// Newest state of each execution that is not acknowledged, by sequence.
    unacknowledged: BTreeMap<u64, Observation>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Disconnected,
    AwaitingWelcome,
    Established,
}

impl NodeLink {
    /// A link with what the journal holds unacknowledged.
    pub fn new(unacknowledged: BTreeMap<u64, Observation>) -> Self {
        Self { unacknowledged, ..Self::default() }
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

    /// A new state of an execution under `sequence`. It replaces an unacknowledged older one of the same execution; the
    /// caller carries that one's events over, for the case that it was lost. On a connection that has carried the older
    /// one, its events are not sent again.
    pub fn observe(&mut self, sequence: u64, observation: Observation) {
        let is_older = |_: &u64, old: &mut Observation| old.execution_id == observation.execution_id;
        let older: Vec<Observation> =
            self.unacknowledged.extract_if(.., is_older).map(|(_, old)| old).collect();
        if self.is_established() {
            let mut news = observation.clone();
            news.events.retain(|event| !older.iter().any(|old| old.events.contains(event)));
            self.send(&FromNode::Observed { sequence, observation: Box::new(news) });
        }
        self.unacknowledged.insert(sequence, observation);
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
        self.unacknowledged.len()
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
        Ok(NodeEvent::Welcomed(welcome))
    }

    fn send(&mut self, message: &FromNode) {
        message.to_frame().encode(&mut self.outgoing);
    }
}
