//! `bacalhau node approve`, `reject` and `delete`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::Context;
use crate::client::NodeAction;
use crate::output;

/// Decides about a node.
#[derive(Args, Debug)]
pub struct Decide {
    /// Id of the node, or its unique beginning
    id: String,
    /// Why; kept with the decision
    #[arg(short, long, default_value = "")]
    message: String,
}

impl Decide {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) async fn run(&self, context: &Context, action: NodeAction) -> anyhow::Result<ExitCode> {
        let decided = context.client()?.decide(&self.id, action, &self.message).await;
        decided.with_context(|| format!("failed to {} node {}", action.as_str(), self.id))?;
        output::print("Ok\n")?;
        Ok(ExitCode::SUCCESS)
    }
}
