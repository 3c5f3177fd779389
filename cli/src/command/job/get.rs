//! `bacalhau job get`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::fetching::{self, Wanted};
use crate::flags::download::DownloadFlags;

/// Fetches the results of a job: one directory per node when there are several.
#[derive(Args, Debug)]
pub struct Get {
    /// Name of the job, its id, or the unique beginning of its id; /PATH behind it chooses a part of the results
    #[arg(value_name = "JOB[/PATH]")]
    job: String,
    /// Where the name is looked up
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
    #[command(flatten)]
    download: DownloadFlags,
}

impl Get {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.download.warn_of_obsolete();
        let (job, only) = match self.job.split_once('/') {
            Some((job, path)) => (job, Some(PathBuf::from(path.trim_end_matches('/')))),
            None => (self.job.as_str(), None),
        };
        let wanted = Wanted { job, namespace: &self.namespace, only, flags: &self.download };
        Box::pin(fetching::fetch(&context.client()?, &wanted)).await
    }
}
