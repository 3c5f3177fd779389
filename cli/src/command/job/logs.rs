//! `bacalhau job logs`

use std::process::ExitCode;

use clap::Args;

use super::Which;
use crate::app::Context;
use crate::client::{LogQuery, LogStream};
use crate::output;

/// Shows the output of a job as its task wrote it.
#[derive(Args, Debug)]
pub struct Logs {
    #[command(flatten)]
    which: Which,
    /// Go on until the execution ends
    #[arg(short, long)]
    follow: bool,
    /// Begin at the present end
    #[arg(short, long)]
    tail: bool,
    /// One execution [default: the latest]
    #[arg(short, long, default_value = "", hide_default_value = true)]
    execution_id: String,
}

impl Logs {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let query = LogQuery {
            execution_id: self.execution_id,
            follow: self.follow,
            tail: self.tail,
            job_version: self.which.version,
            namespace: self.which.namespace,
        };
        print(context.client()?.logs(&self.which.job, &query).await?).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Copies a stream to stdout until it ends.
pub async fn print(mut stream: LogStream) -> anyhow::Result<()> {
    while let Some(line) = stream.next().await {
        output::print(&line?.line)?;
    }
    Ok(())
}
