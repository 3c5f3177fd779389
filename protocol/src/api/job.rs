//! Jobs as clients see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::state::{JobStateWord, State};
use super::tolerant::{is_default, nullable};
use crate::model;

/// One version of a job, with where the job stands. All keys are always written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Job {
    /// `j-<uuid>`, or a chosen one.
    #[serde(rename = "ID")]
    pub id: String,
    /// The id when the user gave none.
    pub name: String,
    /// `default` when the user gave none.
    pub namespace: String,
    /// `batch`, `ops`, `service` or `daemon`.
    #[serde(rename = "Type")]
    pub job_type: String,
    /// Higher first.
    pub priority: i32,
    /// Partitions; 0 for ops and daemon jobs.
    pub count: u32,
    /// All must hold on a node.
    #[serde(deserialize_with = "nullable")]
    pub constraints: Vec<Constraint>,
    /// Free notes, and the server's under `bacalhau.org/`.
    #[serde(deserialize_with = "nullable")]
    pub meta: BTreeMap<String, String>,
    /// For finding jobs.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Exactly one.
    #[serde(deserialize_with = "nullable")]
    pub tasks: Vec<Task>,
    /// Where the job stands.
    #[serde(deserialize_with = "nullable")]
    pub state: State<JobStateWord>,
    /// Version of the specification, from 1.
    pub version: u64,
    /// Writes of the record.
    pub revision: u64,
    /// Unix nanoseconds.
    pub create_time: i64,
    /// Unix nanoseconds.
    pub modify_time: i64,
}

/// One unit of work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// What runs it.
    #[serde(deserialize_with = "nullable")]
    pub engine: SpecConfig,
    /// Where results go; `Type` is empty for nowhere.
    #[serde(deserialize_with = "nullable")]
    pub publisher: SpecConfig,
    /// Environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub env: BTreeMap<String, String>,
    /// Free notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub meta: BTreeMap<String, String>,
    /// Data it needs.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub input_sources: Vec<InputSource>,
    /// What is kept of what it writes.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub result_paths: Vec<ResultPath>,
    /// What it asks for.
    #[serde(deserialize_with = "nullable")]
    pub resources: ResourcesConfig,
    /// What it may reach.
    #[serde(skip_serializing_if = "Network::is_unsaid", deserialize_with = "nullable")]
    pub network: Network,
    /// How long it may take.
    #[serde(deserialize_with = "nullable")]
    pub timeouts: Timeouts,
}

/// A kind and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct SpecConfig {
    /// Compared without regard to case.
    #[serde(rename = "Type", deserialize_with = "nullable")]
    pub kind: String,
    /// As the user wrote them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Map<String, Value>>,
}

impl SpecConfig {
    /// A parameter by name, without regard to case.
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params
            .as_ref()?
            .iter()
            .rev()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Data a task needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct InputSource {
    /// Where it comes from.
    #[serde(deserialize_with = "nullable")]
    pub source: SpecConfig,
    /// Name to refer to it by.
    #[serde(deserialize_with = "nullable")]
    pub alias: String,
    /// Path in the task.
    #[serde(deserialize_with = "nullable")]
    pub target: String,
}

/// A directory that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct ResultPath {
    /// Name in the results.
    pub name: String,
    /// Absolute path in the task.
    pub path: String,
}

/// A rule over a node's labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Constraint {
    /// Label key.
    pub key: String,
    /// `=`, `==`, `!=`, `in`, `notin`, `exists`, `!`, `gt` or `lt`.
    pub operator: String,
    /// As many as the operator wants.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub values: Vec<String>,
}

/// Requested amounts as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ResourcesConfig {
    /// `500m`, `0.5`.
    #[serde(rename = "CPU", skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub cpu: String,
    /// `512mb`.
    #[serde(rename = "Memory", skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub memory: String,
    /// `1gb`.
    #[serde(rename = "Disk", skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub disk: String,
    /// `1`.
    #[serde(rename = "GPU", skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub gpu: String,
}

/// What a task may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    /// `Default`, `None`, `Host`, `Full`, `HTTP` or `Bridge`.
    #[serde(rename = "Type")]
    pub network_type: String,
    /// With `HTTP` only.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub domains: Vec<String>,
    /// With `Host` and `Bridge` only.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub ports: Vec<PortMapping>,
}

impl Network {
    /// Left out, because the client that is answered knows no word for it.
    fn is_unsaid(&self) -> bool {
        self.network_type.is_empty()
    }
}

impl Default for Network {
    fn default() -> Self {
        Self { network_type: "Default".to_owned(), domains: Vec::new(), ports: Vec::new() }
    }
}

/// A port of the task made reachable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct PortMapping {
    /// Its name.
    pub name: String,
    /// Host port; 0 lets the node choose.
    #[serde(skip_serializing_if = "is_default")]
    pub r#static: u16,
    /// Port inside.
    #[serde(skip_serializing_if = "is_default")]
    pub target: u16,
    /// Address to bind.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub host_network: String,
}

/// Limits in whole seconds; 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Timeouts {
    /// One execution.
    #[serde(skip_serializing_if = "is_default")]
    pub execution_timeout: u64,
    /// Waiting for a node.
    #[serde(skip_serializing_if = "is_default")]
    pub queue_timeout: u64,
    /// The whole job.
    #[serde(skip_serializing_if = "is_default")]
    pub total_timeout: u64,
}

impl Job {
    /// The job at its current version; `spec` is that version.
    pub fn from_model(job: &model::Job, spec: &model::JobSpec) -> Self {
        Self {
            id: job.id.to_string(),
            name: job.name.clone(),
            namespace: job.namespace.clone(),
            job_type: spec.job_type.as_str().to_owned(),
            priority: spec.priority,
            count: spec.count,
            constraints: spec.constraints.iter().map(Constraint::from).collect(),
            meta: spec.meta.clone(),
            labels: spec.labels.clone(),
            tasks: vec![Task::from(&spec.task)],
            state: State {
                state_type: JobStateWord(Some(job.state)),
                message: job.message.clone(),
                details: job.details.clone(),
            },
            version: job.version,
            revision: job.revision,
            create_time: job.created.0,
            modify_time: job.modified.0,
        }
    }
}

impl From<&model::Task> for Task {
    fn from(task: &model::Task) -> Self {
        Self {
            name: task.name.clone(),
            engine: SpecConfig::from(&task.engine),
            publisher: SpecConfig::from(&task.publisher),
            env: task.env.clone(),
            meta: task.meta.clone(),
            input_sources: task.inputs.iter().map(InputSource::from).collect(),
            result_paths: task.results.iter().map(ResultPath::from).collect(),
            resources: ResourcesConfig::from(&task.resources_text),
            network: Network::from(&task.network),
            timeouts: Timeouts::from(&task.timeouts),
        }
    }
}

impl From<&model::SpecConfig> for SpecConfig {
    /// Parameters that are no JSON object, which decoding never lets through, are left out.
    fn from(config: &model::SpecConfig) -> Self {
        Self { kind: config.kind.clone(), params: serde_json::from_str(&config.params).ok() }
    }
}

impl From<&model::InputSource> for InputSource {
    fn from(input: &model::InputSource) -> Self {
        Self {
            source: SpecConfig::from(&input.source),
            alias: input.alias.clone(),
            target: input.target.clone(),
        }
    }
}

impl From<&model::ResultPath> for ResultPath {
    fn from(result: &model::ResultPath) -> Self {
        Self { name: result.name.clone(), path: result.path.clone() }
    }
}

impl From<&model::Constraint> for Constraint {
    fn from(constraint: &model::Constraint) -> Self {
        Self {
            key: constraint.key.clone(),
            operator: constraint.operator.as_str().to_owned(),
            values: constraint.values.clone(),
        }
    }
}

impl From<&model::job::ResourcesText> for ResourcesConfig {
    fn from(text: &model::job::ResourcesText) -> Self {
        Self {
            cpu: text.cpu.clone(),
            memory: text.memory.clone(),
            disk: text.disk.clone(),
            gpu: text.gpu.clone(),
        }
    }
}

impl From<&model::Network> for Network {
    fn from(network: &model::Network) -> Self {
        Self {
            network_type: network.network_type.as_str().to_owned(),
            domains: network.domains.clone(),
            ports: network.ports.iter().map(PortMapping::from).collect(),
        }
    }
}

impl From<&model::PortMapping> for PortMapping {
    fn from(port: &model::PortMapping) -> Self {
        Self {
            name: port.name.clone(),
            r#static: port.static_port,
            target: port.target,
            host_network: port.host_network.clone(),
        }
    }
}

impl From<&model::Timeouts> for Timeouts {
    fn from(timeouts: &model::Timeouts) -> Self {
        Self {
            execution_timeout: timeouts.execution_s,
            queue_timeout: timeouts.queue_s,
            total_timeout: timeouts.total_s,
        }
    }
}
