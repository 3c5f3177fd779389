//! What a server says about itself.

use serde::{Deserialize, Serialize};

use super::node::{NodeInfo, NodeState};
use crate::model;

/// Answer of `agent/alive`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Alive {
    /// `OK`.
    pub status: String,
}

/// Which build of which program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildVersionInfo {
    /// First number of the version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub major: String,
    /// Second number of the version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub minor: String,
    /// With a leading `v`.
    pub git_version: String,
    /// Revision of the sources.
    pub git_commit: String,
    /// RFC 3339. Kept as text: builds without a date exist.
    pub build_date: String,
    /// `linux`.
    #[serde(rename = "GOOS")]
    pub goos: String,
    /// In Go's words: `amd64`, `arm64`.
    #[serde(rename = "GOARCH")]
    pub goarch: String,
}

impl From<&model::BuildInfo> for BuildVersionInfo {
    fn from(build: &model::BuildInfo) -> Self {
        let mut numbers = build.version.trim_start_matches('v').split('.');
        let date = if build.date.is_empty() { "0001-01-01T00:00:00Z" } else { &build.date };
        Self {
            major: numbers.next().unwrap_or_default().to_owned(),
            minor: numbers.next().unwrap_or_default().to_owned(),
            git_version: build.version.clone(),
            git_commit: build.commit.clone(),
            build_date: date.to_owned(),
            goos: build.os.clone(),
            goarch: build.arch.clone(),
        }
    }
}

/// Answer of `agent/node`: newer clients read the node's information at the top, older ones the whole state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentNode {
    /// For clients from 1.6 on.
    #[serde(flatten)]
    pub info: NodeInfo,
    /// For clients up to 1.5.
    #[serde(flatten)]
    pub state: NodeState,
}
