//! What happened to a job, oldest first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rfc3339;
use super::tolerant::nullable;
use crate::model;
use crate::time::Timestamp;

/// One entry of a job's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct HistoryItem {
    /// 1, 2, 3 … per job, over all its versions.
    pub seq_num: u64,
    /// What it is about.
    #[serde(rename = "Type")]
    pub history_type: HistoryType,
    /// The job.
    #[serde(rename = "JobID")]
    pub job_id: String,
    /// Version of the job's specification.
    pub job_version: u64,
    /// At execution level only.
    #[serde(rename = "ExecutionID", skip_serializing_if = "String::is_empty")]
    pub execution_id: String,
    /// What happened.
    pub event: Event,
    /// When it was written down.
    #[serde(with = "rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub time: Timestamp,
    /// For clients before 1.5, and empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_state: Option<BTreeMap<String, String>>,
    /// For clients before 1.5, and empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_state: Option<BTreeMap<String, String>>,
}

/// What a history entry is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HistoryType {
    /// The job.
    JobLevel,
    /// One execution.
    ExecutionLevel,
    /// What a newer server may say.
    #[default]
    #[serde(other)]
    Undefined,
}

/// Something worth telling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Event {
    /// A sentence for people.
    pub message: String,
    /// One of [`model::topic`].
    pub topic: String,
    /// When it happened.
    #[serde(with = "rfc3339")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub timestamp: Timestamp,
    /// Keys of semantics.md 0.4.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub details: BTreeMap<String, String>,
}

impl From<&model::Event> for Event {
    fn from(event: &model::Event) -> Self {
        Self {
            message: event.message.clone(),
            topic: event.topic.clone(),
            timestamp: event.at,
            details: event.details.clone(),
        }
    }
}
