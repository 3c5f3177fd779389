//! What a user asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::model::Resources;
use crate::time::Timestamp;

/// How a job spreads over nodes and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobType {
    /// `count` partitions, each run to its end.
    Batch,
    /// Once on every node that matches when it is submitted.
    Ops,
    /// `count` partitions, kept running.
    Service,
    /// Kept running on every node that matches, also on those that join later.
    Daemon,
}

impl JobType {
    /// The word used in job files and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Ops => "ops",
            Self::Service => "service",
            Self::Daemon => "daemon",
        }
    }

    /// Reads the word used in job files and the API.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Batch, Self::Ops, Self::Service, Self::Daemon].into_iter().find(|t| t.as_str() == text)
    }

    /// Runs until stopped; its tasks have no results and no execution timeout.
    pub fn is_long_running(self) -> bool {
        matches!(self, Self::Service | Self::Daemon)
    }

    /// Runs on every matching node, whatever `count` says.
    pub fn is_everywhere(self) -> bool {
        matches!(self, Self::Ops | Self::Daemon)
    }
}

/// Where a job stands (semantics.md 0.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// Accepted; nothing that is wanted runs yet.
    Pending,
    /// Evaluated, but no node can take it now.
    Queued,
    /// At least one execution is wanted running.
    Running,
    /// Ended well; batch and ops only.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended by a user.
    Stopped,
}

impl JobState {
    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Stopped => "Stopped",
        }
    }

    /// No evaluation changes the job any more; only an update or a rerun does.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }
}

/// Whether a client may change what `submitter` submitted: its own jobs, and those of nobody in particular.
pub fn may_change(submitter: &str, client_id: &str) -> bool {
    submitter.is_empty() || submitter == client_id
}

/// A job over all its versions: who it is and where it stands. The specification is a [`JobSpec`] of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Never changes.
    pub id: JobId,
    /// Unique in the namespace; the id when the user gave none.
    pub name: String,
    /// `default` when the user gave none.
    pub namespace: String,
    /// Client id of who submitted it; empty for an anonymous caller.
    pub submitter: String,
    /// Copied from the specification: an update may not change it.
    pub job_type: JobType,
    /// Current version of the specification, from 1.
    pub version: u64,
    /// Where the job stands.
    pub state: JobState,
    /// Why it stands there; may be empty.
    pub message: String,
    /// Machine-readable reasons, as shown in the API's `State.Details`.
    pub details: BTreeMap<String, String>,
    /// Grows by one with each write of this record.
    pub revision: u64,
    /// Number of history entries written so far; the next one gets this plus one.
    pub history: u64,
    /// First submission.
    pub created: Timestamp,
    /// When the current version was submitted; timeouts count from here.
    pub version_created: Timestamp,
    /// Last write.
    pub modified: Timestamp,
    /// When it ended; `None` while it is in progress.
    pub ended: Option<Timestamp>,
    /// Ops: every target of this version has its execution; later nodes are not added.
    pub targets_fixed: bool,
}

/// One immutable version of what a job should do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// How it spreads and ends.
    pub job_type: JobType,
    /// Higher first.
    pub priority: i32,
    /// Partitions of batch and service jobs; 0 for ops and daemon jobs.
    pub count: u32,
    /// All must hold on a node (keys beginning `favour_` are preferences).
    pub constraints: Vec<Constraint>,
    /// Free notes, and the server's under `bacalhau.org/`.
    pub meta: BTreeMap<String, String>,
    /// For finding jobs.
    pub labels: BTreeMap<String, String>,
    /// The unit of work.
    pub task: Task,
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Never blank.
    pub name: String,
    /// What runs it.
    pub engine: SpecConfig,
    /// Where results go; kind `""` means nowhere.
    pub publisher: SpecConfig,
    /// Environment; a value `env:NAME` is taken from the node.
    pub env: BTreeMap<String, String>,
    /// Free notes.
    pub meta: BTreeMap<String, String>,
    /// Data the task needs.
    pub inputs: Vec<InputSource>,
    /// What is kept beside stdout, stderr and the exit code.
    pub results: Vec<ResultPath>,
    /// What it asks for, as written (`500m`, `512mb`), for showing.
    pub resources_text: ResourcesText,
    /// What it asks for, in numbers.
    pub resources: Resources,
    /// What it may reach.
    pub network: Network,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// Requested resources as the user wrote them, lower-cased; empty where nothing was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourcesText {
    /// Cores, `500m` or `0.5`.
    pub cpu: String,
    /// Bytes with a unit.
    pub memory: String,
    /// Bytes with a unit.
    pub disk: String,
    /// A whole number.
    pub gpu: String,
}

/// A kind (`wasm`, `localDirectory`, `s3` …) and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecConfig {
    /// Compared without regard to case; `""` when there is none.
    pub kind: String,
    /// A JSON object as text, echoed unchanged; empty when absent. At most [`MAX_PARAMS_BYTES`].
    pub params: String,
}

/// Longest `Params` that travels in a record, bytes of JSON. Larger inline data becomes a blob at submit.
pub const MAX_PARAMS_BYTES: usize = 64 * 1024;

impl SpecConfig {
    /// Nothing asked for.
    pub fn is_none(&self) -> bool {
        self.kind.is_empty() || self.kind.eq_ignore_ascii_case("noop")
    }

    /// Whether this is of the kind `name`.
    pub fn is(&self, name: &str) -> bool {
        self.kind.eq_ignore_ascii_case(name)
    }
}

/// Data a task needs and where it finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSource {
    /// Where the data comes from.
    pub source: SpecConfig,
    /// Name to refer to it by; may be empty.
    pub alias: String,
    /// Path inside the task.
    pub target: String,
}

/// A directory the task writes and the publisher sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultPath {
    /// Directory name in the results.
    pub name: String,
    /// Absolute path inside the task.
    pub path: String,
}

/// A rule over a node's labels (semantics.md 2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// Label key; `favour_` in front makes it a preference.
    pub key: String,
    /// How values are compared.
    pub operator: Operator,
    /// As many as the operator wants.
    pub values: Vec<String>,
}

/// How a constraint compares (semantics.md 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The label is one of the values.
    In,
    /// The label is none of the values, or absent.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    Absent,
    /// The label equals the value.
    Equals,
    /// As `Equals`, spelled `==`.
    DoubleEquals,
    /// The label differs from the value, or is absent.
    NotEquals,
    /// The label is a number above the value.
    GreaterThan,
    /// The label is a number below the value.
    LessThan,
}

/// What a task may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The mode.
    pub network_type: NetworkType,
    /// Allowed names, for `Http` only.
    pub domains: Vec<String>,
    /// Ports, for `Host` and `Bridge` only.
    pub ports: Vec<PortMapping>,
}

/// Network modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkType {
    /// What the node chooses; here: none.
    #[default]
    Default,
    /// No network.
    None,
    /// The host's network.
    Host,
    /// Older name of `Host`.
    Full,
    /// Listed domains through a proxy.
    Http,
    /// A network of its own with mapped ports.
    Bridge,
}

impl NetworkType {
    /// The word used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::None => "None",
            Self::Host => "Host",
            Self::Full => "Full",
            Self::Http => "HTTP",
            Self::Bridge => "Bridge",
        }
    }

    /// Reads the word of the API, without regard to case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Default, Self::None, Self::Host, Self::Full, Self::Http, Self::Bridge]
            .into_iter()
            .find(|t| t.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether the task reaches anything outside itself.
    pub fn is_networked(self) -> bool {
        !matches!(self, Self::Default | Self::None)
    }
}

/// A port of the task made reachable on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// Used in environment variable names.
    pub name: String,
    /// Host port; 0 lets the node choose.
    pub static_port: u16,
    /// Port inside; 0 means the host port.
    pub target: u16,
    /// Address to bind; empty means all.
    pub host_network: String,
}

/// Limits in time; zero means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// One execution, inputs and publishing included, seconds.
    pub execution_s: u64,
    /// Waiting for a node, seconds.
    pub queue_s: u64,
    /// The whole job version, seconds.
    pub total_s: u64,
}

impl Timeouts {
    /// Bound of one execution: its own, else the total.
    pub fn execution(&self) -> Option<Duration> {
        non_zero(self.execution_s).or_else(|| self.total())
    }

    /// Bound of waiting for a node.
    pub fn queue(&self) -> Option<Duration> {
        non_zero(self.queue_s)
    }

    /// Bound of the whole job version.
    pub fn total(&self) -> Option<Duration> {
        non_zero(self.total_s)
    }
}

fn non_zero(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
