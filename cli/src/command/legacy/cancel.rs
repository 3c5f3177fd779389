//! `bacalhau cancel`, now `bacalhau job stop`

use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::command::job::{Stop, Stopped};

/// Stops a job.
#[derive(Args, Debug)]
pub struct Cancel {
    #[command(flatten)]
    stop: Stop,
}

impl Cancel {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let words = |stopped: &Stopped| format!("Job successfully canceled. Job ID: {}\n", stopped.job);
        self.stop.and_say(context, words).await
    }
}
