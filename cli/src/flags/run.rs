//! What `docker run` and `wasm run` share: a job of one task is made of flags, checked, and submitted.

use std::process::ExitCode;

use anyhow::Context as _;
use bacalhau_protocol::api::Task;
use clap::Args;
use serde_json::Value;

use crate::app::Context;
use crate::fetching;
use crate::flags::download::DownloadFlags;
use crate::flags::job::{JobFlags, TaskFlags};
use crate::flags::runtime::Runtime;
use crate::job_file;
use crate::output::{self, document};
use crate::waiting::{self, Submission};

/// Flags of commands that make and run a job.
#[derive(Args, Clone, Debug)]
pub struct RunFlags {
    /// Print the job instead of submitting it
    #[arg(long)]
    dry_run: bool,
    /// Fetch the results when the job has ended
    #[arg(long)]
    download: bool,
    /// Once limited how long a client looked for results
    #[arg(short, long, hide = true, value_name = "SECONDS")]
    gettimeout: Option<u64>,
    /// Nothing is tracked
    #[arg(long, hide = true)]
    do_not_track: bool,
    #[command(flatten)]
    pub(crate) job: JobFlags,
    #[command(flatten)]
    pub(crate) task: TaskFlags,
    #[command(flatten)]
    runtime: Runtime,
    #[command(flatten)]
    fetch: DownloadFlags,
}

impl RunFlags {
    /// The job around a task, checked as a server would.
    pub fn job(&self, task: &Task) -> anyhow::Result<Value> {
        let job = self.job.job(task)?;
        job_file::check(&job)?;
        Ok(job)
    }

    /// Submits the job, or prints it, as the flags say.
    pub async fn run(&self, context: &Context, job: &Value) -> anyhow::Result<ExitCode> {
        if self.dry_run {
            output::print(&document::yaml(job)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        self.fetch.warn_of_obsolete();
        if self.download {
            fetching::check_directory(&self.fetch)?;
        }
        let submission =
            Submission { runtime: &self.runtime, download: self.download.then_some(&self.fetch) };
        let client = context.client()?;
        let submitted = client.submit(job, false).await.context("failed to submit job")?;
        submitted.warnings.iter().for_each(|warning| output::warn(warning));
        waiting::announce(&submitted.job_id, &submission)?;
        Box::pin(waiting::after(&client, &submitted.job_id, &submission)).await
    }
}
