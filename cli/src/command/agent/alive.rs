//! `bacalhau agent alive`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::Context;
use crate::output::{self, ObjectOutput};

/// Asks whether the server is alive.
#[derive(Args, Debug)]
pub struct Alive {
    #[command(flatten)]
    output: ObjectOutput,
}

impl Alive {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let alive = context.client()?.alive().await.context("could not get server alive")?;
        output::print(&self.output.render(&alive)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
