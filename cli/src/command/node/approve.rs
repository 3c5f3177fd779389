//! `bacalhau node approve`

use std::process::ExitCode;

use clap::Args;

use super::decide::Decide;
use crate::app::Context;
use crate::client::NodeAction;

/// Lets a node take work.
#[derive(Args, Debug)]
pub struct Approve {
    #[command(flatten)]
    decide: Decide,
    /// Give the node's name to the key that asked last, as after its machine was set up again
    #[arg(long)]
    replace_key: bool,
}

impl Approve {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.decide.run(context, NodeAction::Approve { replace_key: self.replace_key }).await
    }
}
