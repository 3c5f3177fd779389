//! The conversation with the control plane.

use bacalhau_protocol::link::NodeEvent;
use bacalhau_protocol::model::{Membership, Observation, ObservedState};
use bacalhau_protocol::wire::{Hello, MAX_KNOWN, VersionRange, Welcome, Wish};
use bytes::Bytes;

use super::actor::Actor;
use crate::execution::{Event, Execution};
use crate::journal::{self, Change, MAX_EXECUTION_BYTES};
use crate::link::{End, LinkEvent, Outgoing};

impl Actor {
    pub(super) fn link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Connected(outgoing) => self.connected(outgoing),
            LinkEvent::Bytes(bytes) => self.received(&bytes),
            LinkEvent::Disconnected => self.disconnected(),
        }
    }

    /// Last words of an agent that stops.
    pub(super) fn goodbye(&mut self) {
        self.link.goodbye();
        let bytes = self.link.transmit();
        if let Some(outgoing) = self.outgoing.take() {
            outgoing.send(bytes);
            outgoing.end(End::Goodbye);
        }
    }

    fn connected(&mut self, outgoing: Outgoing) {
        let hello = Hello {
            versions: VersionRange::OWN,
            secret: self.secret.clone(),
            info: self.info.clone(),
            usage: self.usage(),
            known: self.executions.known(),
        };
        self.outgoing = Some(outgoing);
        self.link.connected(hello);
    }

    fn disconnected(&mut self) {
        self.link.disconnected();
        self.outgoing = None;
        self.status.send_if_modified(|status| std::mem::take(&mut status.is_connected));
    }

    /// Ends the conversation; bytes that still come are nobody's.
    fn hang_up(&mut self, end: End) {
        let bytes = self.link.transmit();
        if let Some(outgoing) = self.outgoing.take() {
            outgoing.send(bytes);
            outgoing.end(end);
        }
        self.disconnected();
    }

    fn received(&mut self, bytes: &Bytes) {
        if self.outgoing.is_none() {
            return;
        }
        match self.link.receive(bytes) {
            Ok(events) => events.into_iter().for_each(|event| self.heard(event)),
            Err(error) => {
                tracing::error!(%error, "the control plane broke the protocol");
                self.hang_up(End::Broken);
            }
        }
    }

    fn heard(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Welcomed(welcome) => self.welcomed(&welcome),
            NodeEvent::Refused(refusal) => {
                tracing::error!(code = ?refusal.code, message = refusal.message, "the control plane refused this node");
                self.hang_up(End::Refused(refusal));
            }
            NodeEvent::Wish(wish) => self.wished(*wish),
            NodeEvent::Acknowledged(observations) => {
                for observation in observations {
                    self.dispatch(observation.execution_id, Event::Acknowledged(observation.events));
                }
            }
            NodeEvent::Membership(membership) => {
                tracing::info!(?membership, "the control plane changed this node's membership");
                self.member(membership);
            }
            NodeEvent::Revoked(reason) => self.revoked(&reason),
            NodeEvent::Unwanted(fingerprints) => {
                for id in fingerprints
                    .into_iter()
                    .filter_map(|name| self.executions.named(name))
                    .collect::<Vec<_>>()
                {
                    self.dispatch(id, Event::Disowned);
                }
            }
        }
    }

    fn welcomed(&mut self, welcome: &Welcome) {
        tracing::info!(membership = ?welcome.membership, "the control plane let this node in");
        self.survived();
        let correction = self.clock.correct(welcome.now);
        self.set_right(correction);
        self.reserve_sequences();
        self.facts.fleet_time = self.facts.fleet_time.max(Some(welcome.now));
        self.facts.artifact_key = Some(welcome.artifact_key);
        self.journal.write_some_time(vec![Change::Facts(self.facts.clone())]);
        if let Some(outgoing) = &self.outgoing {
            outgoing.welcomed();
        }
        self.status.send_modify(|status| {
            status.is_connected = true;
            status.artifact_key = Some(welcome.artifact_key);
        });
        self.member(welcome.membership);
        if let Some(archives) = self.archives.clone() {
            let ending = self.ending.clone();
            self.tasks.spawn(async move { ending.run_until_cancelled(archives.deliver_waiting()).await });
        }
    }

    fn member(&mut self, membership: Membership) {
        self.status.send_modify(|status| status.membership = Some(membership));
    }

    fn revoked(&mut self, reason: &str) {
        tracing::error!(
            reason,
            "the control plane revoked this node's membership; its executions are stopped"
        );
        for id in self.executions.ids() {
            self.dispatch(id, Event::StopWanted(reason.to_owned()));
        }
        self.member(Membership::Rejected);
        self.hang_up(End::Revoked);
    }

    fn wished(&mut self, wish: Wish) {
        if self.executions.contains(&wish.execution_id) {
            let Wish { execution_id, generation, desired, reason, .. } = wish;
            return self.dispatch(execution_id, Event::Wished { generation, desired, reason });
        }
        if let Some(limit) = self.limit_reached(&wish) {
            return self.tell(full(&wish, &limit));
        }
        match Execution::accept(wish) {
            Ok((execution, effects)) => self.hold(execution, effects),
            Err(answer) => self.tell(*answer),
        }
    }

    /// What the node would hold too much of. An execution that is held can always be written to its end.
    fn limit_reached(&self, wish: &Wish) -> Option<String> {
        if self.executions.len() >= MAX_KNOWN {
            return Some(format!("{MAX_KNOWN} executions"));
        }
        let bytes = wish.work.as_ref().map_or(0, |work| journal::size(work));
        (self.executions.bytes() + bytes > MAX_EXECUTION_BYTES)
            .then(|| format!("{} MiB of executions", MAX_EXECUTION_BYTES >> 20))
    }
}

fn full(wish: &Wish, limit: &str) -> Observation {
    Observation {
        execution_id: wish.execution_id.clone(),
        generation: wish.generation,
        state: ObservedState::Refused,
        message: format!("rejected bid: this node does not hold more than {limit} at a time"),
        events: Vec::new(),
        output: None,
        published: None,
    }
}
