//! `bacalhau agent node`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::Context;
use crate::output::{self, ObjectOutput};

/// Describes the server's node.
#[derive(Args, Debug)]
pub struct Node {
    #[command(flatten)]
    output: ObjectOutput,
}

impl Node {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let node = context.client()?.agent_node().await.context("could not get server node")?;
        output::print(&self.output.render(&node)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
