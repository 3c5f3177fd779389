//! `bacalhau create`, now `bacalhau job run`

use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::command::job::Run;
use crate::flags::download::DownloadFlags;

/// Submits the jobs of a YAML or JSON file.
#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    run: Run,
    /// Fetch the results when the job has ended
    #[arg(long)]
    download: bool,
    /// Once limited how long a client looked for results
    #[arg(short, long, hide = true, value_name = "SECONDS")]
    gettimeout: Option<u64>,
    #[command(flatten)]
    fetch: DownloadFlags,
}

impl Create {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.fetch.warn_of_obsolete();
        Box::pin(self.run.and_fetch(context, self.download.then_some(&self.fetch))).await
    }
}
