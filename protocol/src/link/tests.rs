//! The two machines against each other over a network that cuts connections at any byte, keeps bytes of an older
//! connection and delivers them late, and loses acknowledgements, with a node that starts again without knowing its
//! sequences. What must hold afterwards: the node has the newest wish of every execution, the control plane the newest
//! observation, and neither ever went back.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{HubEvent, HubLink, LinkError, NodeEvent, NodeLink};
use crate::ids::{ExecutionId, NodeId};
use crate::model::{
    BuildInfo, DesiredState, Event, Membership, NodeInfo, NodeUsage, Observation, ObservedState, Resources,
};
use crate::time::Timestamp;
use crate::wire::{
    FromNode, Hello, Known, Refusal, RefusalCode, ToNode, VersionRange, Welcome, Wish, fingerprint,
};

fn info() -> NodeInfo {
    NodeInfo {
        node_id: NodeId::parse("n1").unwrap(),
        labels: BTreeMap::new(),
        engines: Vec::new(),
        engines_unavailable: BTreeMap::new(),
        publishers: Vec::new(),
        sources: Vec::new(),
        accepts_networked: false,
        capacity: Resources::default(),
        max_job: Resources::default(),
        build: BuildInfo::default(),
        engine_profile: String::new(),
    }
}

fn hello(known: Vec<Known>) -> Hello {
    Hello { versions: VersionRange::OWN, secret: None, info: info(), usage: NodeUsage::default(), known }
}

fn welcome() -> Welcome {
    welcome_above(0)
}

fn welcome_above(sequence_floor: u64) -> Welcome {
    Welcome {
        version: 1,
        membership: Membership::Approved,
        now: Timestamp(1),
        sequence_floor,
        artifact_key: [0; 32],
    }
}

#[test]
fn a_node_says_only_so_much_of_itself() {
    let mut large = info();
    large.labels.insert("note".to_owned(), "x".repeat(64 * 1024));
    let greeting = Hello { info: large.clone(), ..hello(Vec::new()) };
    let mut bytes = bytes::BytesMut::new();
    FromNode::Hello(Box::new(greeting)).to_frame().encode(&mut bytes);
    assert!(matches!(HubLink::new().receive(&bytes), Err(LinkError::Limit { .. })));

    let mut hub = HubLink::new();
    bytes.clear();
    FromNode::Hello(Box::new(hello(Vec::new()))).to_frame().encode(&mut bytes);
    hub.receive(&bytes).unwrap();
    hub.welcome(welcome());
    bytes.clear();
    FromNode::Info(Box::new(large)).to_frame().encode(&mut bytes);
    assert!(matches!(hub.receive(&bytes), Err(LinkError::Limit { .. })));
}

fn execution(n: u8) -> ExecutionId {
    ExecutionId::from_random([n; 16])
}

fn wish(n: u8, generation: u64, desired: DesiredState) -> Wish {
    Wish {
        execution_id: execution(n),
        generation,
        desired,
        reason: String::new(),
        seen: ObservedState::Unheard,
        work: None,
    }
}

fn observation(n: u8, step: u64) -> Observation {
    Observation {
        execution_id: execution(n),
        generation: 1,
        state: ObservedState::Running,
        message: format!("step {step}"),
        events: Vec::new(),
        output: None,
        published: None,
    }
}

/// Both ends, what each has made durable, and the bytes between them.
#[derive(Default)]
struct World {
    node: NodeLink,
    hub: HubLink,
    connected: bool,
    /// Bytes in flight on the current connection.
    to_hub: Vec<u8>,
    to_node: Vec<u8>,
    /// What the node's journal holds: generations by execution.
    journal: BTreeMap<ExecutionId, u64>,
    /// What the control plane wants.
    wanted: BTreeMap<ExecutionId, Wish>,
    /// What the control plane has on disk: sequence and text by execution.
    stored: BTreeMap<ExecutionId, (u64, String)>,
    /// Observations made so far.
    made: u64,
    latest: BTreeMap<ExecutionId, Observation>,
    /// Sequences taken in and not yet on disk.
    open: BTreeSet<u64>,
}

impl World {
    fn connect(&mut self) {
        self.cut();
        let known = self
            .journal
            .iter()
            .map(|(id, generation)| Known { execution: fingerprint(id), generation: *generation });
        self.node.connected(hello(known.collect()));
        self.connected = true;
    }

    fn cut(&mut self) {
        self.node.disconnected();
        self.hub = HubLink::new();
        self.to_hub.clear();
        self.to_node.clear();
        self.open.clear();
        self.connected = false;
    }

    fn want(&mut self, n: u8) {
        let generation = self.wanted.get(&execution(n)).map_or(1, |old| old.generation + 1);
        let wish = wish(n, generation, DesiredState::Running);
        self.wanted.insert(execution(n), wish.clone());
        self.hub.want(wish);
    }

    fn observe(&mut self, n: u8) {
        self.made += 1;
        let observation = observation(n, self.made);
        self.latest.insert(execution(n), observation.clone());
        self.node.observe(observation);
    }

    /// The node starts again, knows nothing of the sequences it has used, and tells how things stand.
    fn restart(&mut self) {
        self.cut();
        self.node = NodeLink::default();
        self.latest.values().for_each(|observation| self.node.observe(observation.clone()));
    }

    /// Moves up to `bytes` in each direction.
    fn carry(&mut self, bytes: usize) {
        self.to_hub.extend_from_slice(&self.node.transmit());
        self.to_node.extend_from_slice(&self.hub.transmit());
        let up: Vec<u8> = self.to_hub.drain(..bytes.min(self.to_hub.len())).collect();
        let down: Vec<u8> = self.to_node.drain(..bytes.min(self.to_node.len())).collect();
        for event in self.hub.receive(&up).unwrap() {
            self.at_hub(event);
        }
        for event in self.node.receive(&down).unwrap() {
            self.at_node(event);
        }
    }

    fn at_hub(&mut self, event: HubEvent) {
        match event {
            HubEvent::Hello(_) => {
                let floor = self.stored.values().map(|(sequence, _)| *sequence).max();
                self.hub.welcome(welcome_above(floor.unwrap_or(0)));
                let wanted = self.wanted.keys().map(fingerprint).collect();
                self.hub.disown_all_but(&wanted);
                self.wanted.values().for_each(|wish| self.hub.want(wish.clone()));
            }
            HubEvent::Observed { sequence, observation } => {
                let held = self.stored.get(&observation.execution_id).map_or(0, |(sequence, _)| *sequence);
                if sequence > held {
                    self.stored.insert(observation.execution_id, (sequence, observation.message));
                }
                self.open.insert(sequence);
            }
            HubEvent::Info(_) | HubEvent::Usage(_) | HubEvent::Goodbye => {}
        }
    }

    fn at_node(&mut self, event: NodeEvent) {
        if let NodeEvent::Wish(wish) = event {
            let held = self.journal.insert(wish.execution_id, wish.generation);
            assert!(held.is_none_or(|held| held < wish.generation), "a wish never goes back");
        }
    }

    /// The oldest open observation reaches the disk.
    fn sync(&mut self) {
        if let Some(sequence) = self.open.pop_first() {
            self.hub.acknowledge(sequence);
        }
    }

    fn settle(&mut self) {
        if !self.connected {
            self.connect();
        }
        for _ in 0..50 {
            self.carry(usize::MAX);
            while !self.open.is_empty() {
                self.sync();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Connect,
    Cut,
    Restart,
    Want(u8),
    Observe(u8),
    Carry(usize),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Connect),
        1 => Just(Step::Cut),
        1 => Just(Step::Restart),
        3 => (0u8..4).prop_map(Step::Want),
        3 => (0u8..4).prop_map(Step::Observe),
        6 => (1usize..200).prop_map(Step::Carry),
        2 => Just(Step::Sync),
    ]
}

proptest! {
    #[test]
    fn both_sides_end_with_the_newest_of_everything(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::default();
        for step in steps {
            match step {
                Step::Connect => world.connect(),
                Step::Cut => world.cut(),
                Step::Restart => world.restart(),
                Step::Want(n) => world.want(n),
                Step::Observe(n) => world.observe(n),
                Step::Carry(bytes) => world.carry(bytes),
                Step::Sync => world.sync(),
            }
        }
        world.settle();
        let wanted: BTreeMap<_, _> = world.wanted.iter().map(|(id, wish)| (id.clone(), wish.generation)).collect();
        prop_assert_eq!(&world.journal, &wanted);
        let stored: BTreeMap<_, _> = world.stored.iter().map(|(id, (_, text))| (id.clone(), text.clone())).collect();
        let latest: BTreeMap<_, _> = world.latest.iter().map(|(id, last)| (id.clone(), last.message.clone())).collect();
        prop_assert_eq!(&stored, &latest);
        prop_assert_eq!(world.node.unacknowledged(), 0, "everything durable was acknowledged");
    }

    #[test]
    fn hostile_bytes_end_the_connection_and_nothing_else(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = HubLink::new().receive(&bytes);
        let mut node = NodeLink::default();
        node.connected(hello(Vec::new()));
        let _ = node.receive(&bytes);
    }

    #[test]
    fn a_damaged_conversation_never_panics(position in 0usize..400, value: u8) {
        let mut world = World::default();
        world.connect();
        world.want(1);
        let mut bytes = world.node.transmit().to_vec();
        let position = position % bytes.len();
        bytes[position] = value;
        let _ = world.hub.receive(&bytes);
    }
}

fn encoded(messages: &[FromNode]) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    messages.iter().for_each(|message| message.to_frame().encode(&mut out));
    out.to_vec()
}

fn greeted() -> HubLink {
    let mut hub = HubLink::new();
    hub.receive(&encoded(&[FromNode::Hello(Box::new(hello(Vec::new())))])).unwrap();
    hub.welcome(welcome());
    hub.transmit();
    hub
}

fn observed(sequence: u64) -> FromNode {
    FromNode::Observed { sequence, observation: Box::new(observation(1, sequence)) }
}

#[test]
fn an_observation_is_acknowledged_only_without_gaps() {
    let mut hub = greeted();
    hub.receive(&encoded(&[observed(5), observed(7), observed(9)])).unwrap();
    hub.acknowledge(7);
    assert!(hub.transmit().is_empty(), "5 is not durable yet");
    hub.acknowledge(5);
    assert_eq!(acknowledged(&hub.transmit()), vec![8]);
    hub.acknowledge(9);
    assert_eq!(acknowledged(&hub.transmit()), vec![9]);
}

fn acknowledged(bytes: &[u8]) -> Vec<u64> {
    let mut decoder = crate::wire::Decoder::default();
    decoder.push(bytes);
    let mut sequences = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        if let Some(ToNode::Acknowledged(sequence)) = ToNode::from_frame(&frame).unwrap() {
            sequences.push(sequence);
        }
    }
    sequences
}

#[test]
fn a_replayed_observation_ends_the_connection() {
    let mut hub = greeted();
    let error = hub.receive(&encoded(&[observed(5), observed(5)])).unwrap_err();
    assert_eq!(error, LinkError::OutOfOrder { last: 5, got: 5 });
}

#[test]
fn nothing_is_heard_before_the_hello() {
    let error = HubLink::new().receive(&encoded(&[observed(1)])).unwrap_err();
    assert_eq!(error, LinkError::Unexpected("early"));
}

#[test]
fn a_node_that_knows_the_execution_is_not_sent_the_work_again() {
    let mut hub = HubLink::new();
    let known = vec![Known { execution: fingerprint(&execution(1)), generation: 3 }];
    hub.receive(&encoded(&[FromNode::Hello(Box::new(hello(known)))])).unwrap();
    hub.welcome(welcome());
    hub.transmit();
    hub.want(wish(1, 3, DesiredState::Running));
    assert!(hub.transmit().is_empty(), "it has this generation");
    hub.want(wish(1, 4, DesiredState::Stopped));
    assert!(!hub.transmit().is_empty());
    hub.want(wish(1, 4, DesiredState::Stopped));
    assert!(hub.transmit().is_empty(), "told once");
}

#[test]
fn a_node_hears_which_of_its_executions_nobody_wants() {
    let mut hub = HubLink::new();
    let known = (1..=2).map(|n| Known { execution: fingerprint(&execution(n)), generation: 1 }).collect();
    hub.receive(&encoded(&[FromNode::Hello(Box::new(hello(known)))])).unwrap();
    hub.welcome(welcome());
    hub.disown_all_but(&BTreeSet::from([fingerprint(&execution(2))]));
    let mut node = NodeLink::default();
    node.connected(hello(Vec::new()));
    let events = node.receive(&hub.transmit()).unwrap();
    assert_eq!(events[1], NodeEvent::Unwanted(vec![fingerprint(&execution(1))]));
}

#[test]
fn a_refusal_reaches_the_node() {
    let mut hub = HubLink::new();
    hub.receive(&encoded(&[FromNode::Hello(Box::new(hello(Vec::new())))])).unwrap();
    let refusal = Refusal { code: RefusalCode::Rejected, message: "no".to_owned(), retry_after_s: 300 };
    hub.refuse(refusal.clone());
    let mut node = NodeLink::default();
    node.connected(hello(Vec::new()));
    assert_eq!(node.receive(&hub.transmit()).unwrap(), vec![NodeEvent::Refused(refusal)]);
    assert!(!node.is_established());
}

/// The events of each observation that a control plane finds in the node's bytes.
fn told(hub: &mut HubLink, node: &mut NodeLink) -> Vec<Vec<String>> {
    let events = hub.receive(&node.transmit()).unwrap();
    events
        .into_iter()
        .filter_map(|event| match event {
            HubEvent::Observed { observation, .. } => {
                Some(observation.events.into_iter().map(|event| event.message).collect())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn an_event_is_sent_once_on_a_connection_and_again_on_the_next_until_it_is_acknowledged() {
    let event = |message: &str| Event {
        topic: String::new(),
        message: message.to_owned(),
        at: Timestamp(1),
        details: BTreeMap::new(),
    };
    let with = |messages: &[&str]| Observation {
        events: messages.iter().map(|message| event(message)).collect(),
        ..observation(1, 1)
    };
    let mut node = NodeLink::default();
    let connect = |node: &mut NodeLink| {
        let mut hub = HubLink::new();
        node.connected(hello(Vec::new()));
        hub.receive(&node.transmit()).unwrap();
        hub.welcome(welcome());
        node.receive(&hub.transmit()).unwrap();
        hub
    };
    let mut hub = connect(&mut node);
    node.observe(with(&["started"]));
    node.observe(with(&["started", "ended"]));
    assert_eq!(told(&mut hub, &mut node), [["started"], ["ended"]]);
    let mut hub = connect(&mut node);
    assert_eq!(told(&mut hub, &mut node), [["started", "ended"]]);
}

#[test]
fn what_was_told_offline_goes_above_what_the_control_plane_has_and_a_repeat_keeps_its_sequence() {
    let mut node = NodeLink::new(3);
    let sequences = |node: &mut NodeLink, floor| {
        let mut hub = HubLink::new();
        node.connected(hello(Vec::new()));
        hub.receive(&node.transmit()).unwrap();
        hub.welcome(welcome_above(floor));
        node.receive(&hub.transmit()).unwrap();
        let events = hub.receive(&node.transmit()).unwrap();
        events
            .into_iter()
            .filter_map(|event| match event {
                HubEvent::Observed { sequence, .. } => Some(sequence),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    node.observe(observation(1, 1));
    node.observe(observation(2, 1));
    assert_eq!(sequences(&mut node, 41), [42, 43]);
    node.disconnected();
    node.observe(observation(3, 1));
    node.observe(observation(1, 2));
    // The control plane has the first two, whose acknowledgement was lost: sent again they must not count twice.
    assert_eq!(sequences(&mut node, 43), [43, 44, 45]);
    assert_eq!(node.sequence(), 45);
}
