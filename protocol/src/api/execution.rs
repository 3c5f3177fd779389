//! Executions as clients see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::job::{Job, SpecConfig};
use super::resources::Resources;
use super::state::{ComputeStateNumber, DesiredStateNumber, State};
use super::tolerant::{is_default, nullable};
use crate::model;

/// One attempt to run a job on one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Execution {
    /// `e-<uuid>`.
    #[serde(rename = "ID")]
    pub id: String,
    /// The job's.
    pub namespace: String,
    /// Evaluation that made it, a bare UUID.
    #[serde(rename = "EvalID")]
    pub eval_id: String,
    /// Empty in practice.
    pub name: String,
    /// Where it runs.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// The job.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// The job, where the server embeds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<Job>>,
    /// Version of the job's specification.
    pub job_version: u64,
    /// What is set aside for it.
    #[serde(deserialize_with = "nullable")]
    pub allocated_resources: AllocatedResources,
    /// What is wanted of it.
    pub desired_state: State<DesiredStateNumber>,
    /// Where it stands.
    pub compute_state: State<ComputeStateNumber>,
    /// Where its results are; `Type` is empty until published.
    #[serde(deserialize_with = "nullable")]
    pub published_result: SpecConfig,
    /// How the task ended; all zero before it did.
    #[serde(deserialize_with = "nullable")]
    pub run_output: RunOutput,
    /// Empty in practice.
    pub previous_execution: String,
    /// Empty in practice.
    pub next_execution: String,
    /// Empty in practice.
    #[serde(rename = "FollowupEvalID")]
    pub followup_eval_id: String,
    /// From 0; 0 has no key.
    #[serde(skip_serializing_if = "is_default")]
    pub partition_index: u32,
    /// Writes of the record.
    pub revision: u64,
    /// Unix nanoseconds.
    pub create_time: i64,
    /// Unix nanoseconds.
    pub modify_time: i64,
}

/// What each task of an execution was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct AllocatedResources {
    /// By task name.
    #[serde(deserialize_with = "nullable")]
    pub tasks: BTreeMap<String, Resources>,
}

/// How a task ended and the beginning of what it printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct RunOutput {
    /// First 2048 bytes.
    pub stdout: String,
    /// There was more.
    pub stdout_truncated: bool,
    /// First 2048 bytes. The key is lower-case, alone among its siblings.
    #[serde(rename = "stderr")]
    pub stderr: String,
    /// There was more.
    pub stderr_truncated: bool,
    /// -1 when the task never ran.
    pub exit_code: i32,
    /// Trouble of the executor, not of the program.
    pub error_msg: String,
}

impl Execution {
    /// As clients see it. `task` is the name of the job's task; the job itself is not embedded.
    pub fn from_model(execution: &model::Execution, namespace: &str, task: &str) -> Self {
        Self {
            id: execution.id.to_string(),
            namespace: namespace.to_owned(),
            eval_id: execution.evaluation_id.to_string(),
            node_id: execution.node_id.to_string(),
            job_id: execution.job_id.to_string(),
            job_version: execution.job_version,
            allocated_resources: AllocatedResources::of(task, &execution.resources),
            desired_state: State {
                state_type: execution.desired.into(),
                message: execution.desired_message.clone(),
                ..State::default()
            },
            compute_state: State {
                state_type: execution.compute_state().into(),
                message: execution.observed_message.clone(),
                ..State::default()
            },
            published_result: execution.published.as_ref().map(SpecConfig::from).unwrap_or_default(),
            run_output: execution.output.as_ref().map(RunOutput::from).unwrap_or_default(),
            partition_index: execution.partition,
            revision: execution.revision,
            create_time: execution.created.0,
            modify_time: execution.modified.0,
            ..Self::default()
        }
    }
}

impl AllocatedResources {
    fn of(task: &str, resources: &model::Resources) -> Self {
        Self { tasks: BTreeMap::from([(task.to_owned(), Resources::from(resources))]) }
    }
}

impl From<&model::RunOutput> for RunOutput {
    fn from(output: &model::RunOutput) -> Self {
        Self {
            stdout: output.stdout.clone(),
            stdout_truncated: output.stdout_truncated,
            stderr: output.stderr.clone(),
            stderr_truncated: output.stderr_truncated,
            exit_code: output.exit_code,
            error_msg: output.error.clone(),
        }
    }
}
