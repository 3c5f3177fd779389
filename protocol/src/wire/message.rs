//! Messages of the control stream, version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::frame::{Frame, FrameError, OPTIONAL};
use super::version::VersionRange;
use crate::ids::{ExecutionId, JobId};
use crate::model::{
    DesiredState, JobType, Membership, NodeInfo, NodeUsage, Observation, ObservedState, Task,
};
use crate::time::Timestamp;

/// Executions a node may list in its [`Hello`]; it holds no more at a time.
pub const MAX_KNOWN: usize = 4096;

/// First message of a connection, from the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// What the node speaks.
    pub versions: VersionRange,
    /// The join secret; sent until the node is known to be a member.
    pub secret: Option<String>,
    /// The node, whole.
    pub info: NodeInfo,
    /// What it has given out.
    pub usage: NodeUsage,
    /// All executions in its journal.
    pub known: Vec<Known>,
}

/// What a node holds of one execution, in ten bytes or so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// [`fingerprint`] of the execution id.
    pub execution: u64,
    /// The newest generation of the wish that is journaled.
    pub generation: u64,
}

/// A short name for an execution id within one node: the first eight bytes of its SHA-256.
pub fn fingerprint(id: &ExecutionId) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&Sha256::digest(id.as_str().as_bytes())[..8]);
    u64::from_be_bytes(bytes)
}

/// Answer to a [`Hello`] that was let in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version both sides use from here.
    pub version: u16,
    /// Pending nodes stay connected and get no work.
    pub membership: Membership,
    /// The control plane's time.
    pub now: Timestamp,
    /// Highest observation sequence the control plane has from this node; what is told for the first time goes above.
    pub sequence_floor: u64,
    /// Ed25519 public key that signs compiled artifacts.
    pub artifact_key: [u8; 32],
}

/// Answer to a [`Hello`] that was not let in; the connection ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, for the program.
    pub code: RefusalCode,
    /// Why, for people.
    pub message: String,
    /// Do not ask again before, seconds.
    pub retry_after_s: u32,
}

/// Why a node was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The join secret is missing or wrong.
    WrongSecret,
    /// The node id is held by another key.
    KeyMismatch,
    /// An administrator rejected the node.
    Rejected,
    /// No common version.
    Version,
    /// The message was not acceptable.
    Malformed,
    /// Not now.
    Busy,
}

/// What the control plane wants of one execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Which one.
    pub execution_id: ExecutionId,
    /// Newer wishes have higher ones.
    pub generation: u64,
    /// What is wanted.
    pub desired: DesiredState,
    /// Why; may be empty.
    pub reason: String,
    /// What the control plane saw of it last: a node that does not know an execution which was already running has
    /// lost its journal and must not start it again.
    pub seen: ObservedState,
    /// What to run; left out when the node knows the execution, or it is not to run.
    pub work: Option<Box<Work>>,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The job.
    pub job_id: JobId,
    /// Its name.
    pub job_name: String,
    /// Its namespace.
    pub namespace: String,
    /// How it ends.
    pub job_type: JobType,
    /// Version of its specification.
    pub job_version: u64,
    /// Order in the local queue, higher first.
    pub priority: i32,
    /// Partition, from 0.
    pub partition: u32,
    /// Partitions in all; 0 for ops and daemon jobs.
    pub count: u32,
    /// The task.
    pub task: Task,
}

/// Messages of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum FromNode {
    /// Opens the conversation.
    Hello(Box<Hello>),
    /// The state of one execution; sequences grow over the node's life.
    Observed {
        /// Higher than that of everything told before; the same when it is told again.
        sequence: u64,
        /// The state.
        observation: Box<Observation>,
    },
    /// The node changed.
    Info(Box<NodeInfo>),
    /// What it gave out changed.
    Usage(NodeUsage),
    /// The agent stops; running work may go on.
    Goodbye,
}

/// Messages of the control plane.
#[derive(Clone, Debug, PartialEq)]
pub enum ToNode {
    /// Let in.
    Welcome(Welcome),
    /// Not let in.
    Refused(Refusal),
    /// What is wanted of one execution.
    Wish(Box<Wish>),
    /// All observations up to this sequence are durable.
    Acknowledged(u64),
    /// The node became a member, or waits again.
    Membership(Membership),
    /// No longer a member: stop everything, keep the key, ask again slowly.
    Revoked(String),
    /// Executions of the node's [`Hello`] that nobody knows or wants, by fingerprint: stop and forget them.
    Unwanted(Vec<u64>),
}

macro_rules! messages {
    ($name:ident { $($variant:ident($kind:literal, $flags:expr)),* $(,)? }) => {
        impl $name {
            /// Encodes for the control stream.
            pub fn to_frame(&self) -> Frame {
                let (kind, flags, body) = match self {
                    $(Self::$variant { .. } => ($kind, $flags, self.body()),)*
                };
                Frame { kind, flags, body }
            }
        }
    };
}

messages!(FromNode { Hello(1, 0), Observed(2, 0), Info(3, 0), Usage(4, OPTIONAL), Goodbye(5, OPTIONAL) });
messages!(ToNode {
    Welcome(101, 0),
    Refused(102, 0),
    Wish(103, 0),
    Acknowledged(104, 0),
    Membership(105, 0),
    Revoked(106, 0),
    Unwanted(107, 0),
});

impl FromNode {
    /// Decodes a frame; `None` for an unknown kind that may be skipped.
    pub fn from_frame(frame: &Frame) -> Result<Option<Self>, FrameError> {
        Ok(Some(match frame.kind {
            1 => Self::Hello(read(frame)?),
            2 => {
                let (sequence, observation) = read(frame)?;
                Self::Observed { sequence, observation }
            }
            3 => Self::Info(read(frame)?),
            4 => Self::Usage(read(frame)?),
            5 => Self::Goodbye,
            _ => return skip(frame),
        }))
    }

    fn body(&self) -> Bytes {
        match self {
            Self::Hello(hello) => write(hello),
            Self::Observed { sequence, observation } => write(&(sequence, observation)),
            Self::Info(info) => write(info),
            Self::Usage(usage) => write(usage),
            Self::Goodbye => Bytes::new(),
        }
    }
}

impl ToNode {
    /// Decodes a frame; `None` for an unknown kind that may be skipped.
    pub fn from_frame(frame: &Frame) -> Result<Option<Self>, FrameError> {
        Ok(Some(match frame.kind {
            101 => Self::Welcome(read(frame)?),
            102 => Self::Refused(read(frame)?),
            103 => Self::Wish(read(frame)?),
            104 => Self::Acknowledged(read(frame)?),
            105 => Self::Membership(read(frame)?),
            106 => Self::Revoked(read(frame)?),
            107 => Self::Unwanted(read(frame)?),
            _ => return skip(frame),
        }))
    }

    fn body(&self) -> Bytes {
        match self {
            Self::Welcome(welcome) => write(welcome),
            Self::Refused(refusal) => write(refusal),
            Self::Wish(wish) => write(wish),
            Self::Acknowledged(sequence) => write(sequence),
            Self::Membership(membership) => write(membership),
            Self::Revoked(reason) => write(reason),
            Self::Unwanted(executions) => write(executions),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(frame: &'a Frame) -> Result<T, FrameError> {
    postcard::from_bytes(&frame.body).map_err(|source| FrameError::Malformed { kind: frame.kind, source })
}

fn write<T: Serialize>(message: &T) -> Bytes {
    postcard::to_stdvec(message)
        .expect("messages hold no maps of unknown length and no foreign serializers")
        .into()
}

fn skip<T>(frame: &Frame) -> Result<Option<T>, FrameError> {
    if frame.flags & OPTIONAL == 0 { Err(FrameError::Unknown(frame.kind)) } else { Ok(None) }
}
