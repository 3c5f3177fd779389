//! `bacalhau describe`, now `bacalhau job describe`

use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::job_file;
use crate::output::{self, document};

/// Shows a job as YAML.
#[derive(Args, Debug)]
pub struct Describe {
    /// Name of the job, its id, or the unique beginning of its id
    job: String,
    /// Show JSON instead
    #[arg(long)]
    json: bool,
    /// Show only what can be submitted again
    #[arg(long)]
    spec: bool,
    /// Show the job's history too
    #[arg(long, conflicts_with = "spec")]
    include_events: bool,
}

impl Describe {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let answer = context.client()?.job_with_everything(&self.job, 0, "").await?;
        let shown = if self.include_events {
            serde_json::json!({"Job": answer.job, "History": answer.history})
        } else {
            let mut job = serde_json::to_value(&answer.job)?;
            if let Some(fields) = job.as_object_mut().filter(|_| self.spec) {
                job_file::forget_what_the_server_set(fields);
            }
            job
        };
        output::print(&if self.json { document::json(&shown, true)? } else { document::yaml(&shown)? })?;
        Ok(ExitCode::SUCCESS)
    }
}
