//! `bacalhau job rerun`

use std::process::ExitCode;

use clap::Args;

use super::Which;
use crate::app::Context;
use crate::flags::runtime::Runtime;
use crate::output;
use crate::waiting::{self, Submission};

/// Runs a job again, as its next version.
#[derive(Args, Debug)]
pub struct Rerun {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    runtime: Runtime,
}

impl Rerun {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let client = context.client()?;
        let which = &self.which;
        let submitted = client.rerun(&which.job, which.version, &which.namespace).await?;
        submitted.warnings.iter().for_each(|warning| output::warn(warning));
        let submission = Submission { runtime: &self.runtime, download: None };
        waiting::announce(&submitted.job_id, &submission)?;
        Box::pin(waiting::after(&client, &submitted.job_id, &submission)).await
    }
}
