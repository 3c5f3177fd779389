//! `bacalhau job describe`

use std::process::ExitCode;

use clap::Args;

use super::Which;
use crate::app::Context;
use crate::output::{self, ObjectOutput};

/// Shows a job in a form that `bacalhau job run` reads.
#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    output: ObjectOutput,
}

impl Describe {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let which = &self.which;
        let answer = context.client()?.job(&which.job, which.version, &which.namespace).await?;
        output::print(&self.output.render(&answer.job)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
