//! `bacalhau agent version`

use std::process::ExitCode;

use anyhow::Context as _;
use bacalhau_protocol::api::BuildVersionInfo;
use clap::Args;

use crate::app::Context;
use crate::output::cell::date_and_time;
use crate::output::{self, ObjectFormat, ObjectOutput};

/// Shows the server's version.
#[derive(Args, Debug)]
pub struct Version {
    /// Output format; three lines of text when left out
    #[arg(long, value_enum)]
    output: Option<ObjectFormat>,
    /// Indent JSON
    #[arg(long)]
    pretty: bool,
}

impl Version {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let version = context.client()?.agent_version().await.context("could not get server version")?;
        let text = match self.output {
            Some(output) => ObjectOutput { output, pretty: self.pretty }.render(&version)?,
            None => lines(&version),
        };
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn lines(version: &BuildVersionInfo) -> String {
    format!(
        "Bacalhau {}\nBuildDate {} +0000 UTC\nGitCommit {}\n",
        version.git_version,
        date_and_time(&version.build_date),
        version.git_commit
    )
}
