//! Messages of the control stream, with their frame headers.

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{DesiredState, JobType, Membership, ObservedState};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::{
    Decoder, Frame, FromNode, Hello, Known, Refusal, RefusalCode, ToNode, VersionRange, Welcome, Wish, Work,
};
use bytes::BytesMut;

use super::Golden;
use super::samples::{execution_id, job_id, node_info, observation, task, usage};

/// A sample is named after its message; those with several forms add a word.
pub(crate) const NAMES: &[&str] = &[
    "from-node-hello",
    "from-node-observed",
    "from-node-info",
    "from-node-usage",
    "from-node-goodbye",
    "to-node-welcome",
    "to-node-refused",
    "to-node-wish",
    "to-node-acknowledged",
    "to-node-membership",
    "to-node-revoked",
    "to-node-unwanted",
];

pub(crate) fn samples() -> Vec<Golden> {
    let from = from_node().into_iter().map(|message| {
        let name = name_from(&message);
        Golden::new(
            name,
            message,
            |m| bytes(&m.to_frame()),
            |b| FromNode::from_frame(&frame(b)).map(|message| message.expect("a known message")),
        )
    });
    let to = to_node().into_iter().map(|(form, message)| {
        let name = format!("{}{form}", name_to(&message));
        Golden::new(
            name,
            message,
            |m| bytes(&m.to_frame()),
            |b| ToNode::from_frame(&frame(b)).map(|message| message.expect("a known message")),
        )
    });
    from.chain(to).collect()
}

/// No wildcard: a new message does not compile until it is named here.
fn name_from(message: &FromNode) -> &'static str {
    match message {
        FromNode::Hello(_) => NAMES[0],
        FromNode::Observed { .. } => NAMES[1],
        FromNode::Info(_) => NAMES[2],
        FromNode::Usage(_) => NAMES[3],
        FromNode::Goodbye => NAMES[4],
    }
}

/// No wildcard: a new message does not compile until it is named here.
fn name_to(message: &ToNode) -> &'static str {
    match message {
        ToNode::Welcome(_) => NAMES[5],
        ToNode::Refused(_) => NAMES[6],
        ToNode::Wish(_) => NAMES[7],
        ToNode::Acknowledged(_) => NAMES[8],
        ToNode::Membership(_) => NAMES[9],
        ToNode::Revoked(_) => NAMES[10],
        ToNode::Unwanted(_) => NAMES[11],
    }
}

fn from_node() -> Vec<FromNode> {
    let hello = Hello {
        versions: VersionRange { lowest: 1, highest: 2 },
        secret: Some("secret".to_owned()),
        info: node_info(),
        usage: usage(),
        known: vec![Known { execution: 0x0102_0304_0506_0708, generation: 3 }],
    };
    vec![
        FromNode::Hello(Box::new(hello)),
        FromNode::Observed { sequence: 300, observation: Box::new(observation()) },
        FromNode::Info(Box::new(node_info())),
        FromNode::Usage(usage()),
        FromNode::Goodbye,
    ]
}

fn to_node() -> Vec<(&'static str, ToNode)> {
    let welcome = Welcome {
        version: 1,
        membership: Membership::Approved,
        now: Timestamp(1_730_801_533_123_456_789),
        sequence_floor: 41,
        artifact_key: [7; 32],
    };
    let refusal = Refusal { code: RefusalCode::KeyMismatch, message: "no".to_owned(), retry_after_s: 15 };
    vec![
        ("", ToNode::Welcome(welcome)),
        ("", ToNode::Refused(refusal)),
        ("", ToNode::Wish(Box::new(wish(Some(Box::new(work())))))),
        ("-without-work", ToNode::Wish(Box::new(wish(None)))),
        ("", ToNode::Acknowledged(300)),
        ("", ToNode::Membership(Membership::Pending)),
        ("", ToNode::Revoked("rejected".to_owned())),
        ("", ToNode::Unwanted(vec![1, u64::MAX])),
    ]
}

fn wish(work: Option<Box<Work>>) -> Wish {
    let execution_id: ExecutionId = execution_id();
    Wish {
        execution_id,
        generation: 3,
        desired: DesiredState::Running,
        reason: "because".to_owned(),
        seen: ObservedState::Accepted,
        work,
    }
}

fn work() -> Work {
    Work {
        job_id: job_id(),
        job_name: "host-logs".to_owned(),
        namespace: "default".to_owned(),
        job_type: JobType::Ops,
        job_version: 2,
        priority: -5,
        partition: 1,
        count: 3,
        task: task(),
    }
}

fn bytes(frame: &Frame) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    out.to_vec()
}

fn frame(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    decoder.next_frame().expect("a sound frame").expect("a whole frame")
}
