//! `bacalhau version`

use std::process::ExitCode;
use std::time::Duration;

use bacalhau_protocol::api::BuildVersionInfo;
use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::output::{self, Column, Format, ListOutput, Table, document};

/// Shows the versions of client and server.
#[derive(Args, Debug)]
pub struct Version {
    /// Do not ask the server
    #[arg(long)]
    client: bool,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client_version: BuildVersionInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<BuildVersionInfo>,
}

/// Longest wait for a server that may not be there.
const PATIENCE: Duration = Duration::from_secs(3);

impl Version {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let server_version = if self.client { None } else { server(context).await? };
        let versions = Versions { client_version: crate::version::build(), server_version };
        // One object, not a list of one.
        let text = match self.output.output {
            Format::Json => document::json(&versions, self.output.pretty)?,
            Format::Yaml => document::yaml(&versions)?,
            _ => self.output.render(&[&versions], |_| table(&versions))?,
        };
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A server that does not answer has no version; that is no failure.
async fn server(context: &Context) -> anyhow::Result<Option<BuildVersionInfo>> {
    let client = context.client()?;
    let answer = tokio::time::timeout(PATIENCE, client.agent_version()).await;
    Ok(answer.ok().and_then(Result::ok))
}

fn table(versions: &Versions) -> Table {
    let mut columns = vec![Column::new("client")];
    let mut row = vec![versions.client_version.git_version.clone()];
    if let Some(server) = &versions.server_version {
        columns.push(Column::new("server"));
        row.push(server.git_version.clone());
    }
    Table::new(columns, vec![row])
}
