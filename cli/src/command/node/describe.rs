//! `bacalhau node describe`

use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::output::{self, ObjectOutput};

/// Shows everything known about a node.
#[derive(Args, Debug)]
pub struct Describe {
    /// Id of the node, or its unique beginning
    id: String,
    #[command(flatten)]
    output: ObjectOutput,
}

impl Describe {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let node = context.client()?.node(&self.id).await?;
        output::print(&self.output.render(&node)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
