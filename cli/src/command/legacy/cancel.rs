//! `bacalhau cancel`, now `bacalhau job stop`

use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::command::job::Stop;
use crate::output;

/// Stops a job.
#[derive(Args, Debug)]
pub struct Cancel {
    #[command(flatten)]
    stop: Stop,
}

impl Cancel {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (quiet, stopped) = (self.stop.is_quiet(), self.stop.stop(context).await);
        match stopped {
            Err(_) if quiet => return Ok(ExitCode::FAILURE),
            Err(error) => return Err(error),
            Ok(stopped) if !quiet => {
                output::print(&format!("Job successfully canceled. Job ID: {}\n", stopped.job))?;
            }
            Ok(_) => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}
