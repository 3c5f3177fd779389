//! `bacalhau job stop`

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use crate::app::Context;
use crate::output;

/// Stops a job.
#[derive(Args, Debug)]
pub struct Stop {
    /// Name of the job, its id, or the unique beginning of its id
    job: String,
    /// Print nothing
    #[arg(long)]
    quiet: bool,
    /// Where the name is looked up
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
}

const REASON: &str = "Stopped at user request";

impl Stop {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self.stop(context).await {
            Err(_) if self.quiet => Ok(ExitCode::FAILURE),
            Err(error) => Err(error),
            Ok(_) if self.quiet => Ok(ExitCode::SUCCESS),
            Ok(evaluation) => {
                output::print(&format!(
                    "Job stop successfully submitted with evaluation ID: {evaluation}\n"
                ))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    async fn stop(&self, context: &Context) -> anyhow::Result<String> {
        let client = context.client()?;
        let state = client.job(&self.job, 0, &self.namespace).await?.job.state.state_type;
        if state.is_terminal() {
            bail!("Job is already in a terminal state.\nThe current state is: {state}");
        }
        Ok(client.stop(&self.job, REASON, &self.namespace).await?.evaluation_id)
    }
}
