//! `bacalhau node approve`

use std::process::ExitCode;

use clap::Args;

use super::decide::Decide;
use crate::app::Context;
use crate::client::NodeAction;
use crate::output;

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
        let decided = self.decide.run(context, NodeAction::Approve { replace_key: self.replace_key }).await?;
        self.tell_key(context).await?;
        Ok(decided)
    }

    /// The node is known by this key from now on, so a person can still compare it.
    async fn tell_key(&self, context: &Context) -> anyhow::Result<()> {
        let node = context.client()?.node(self.decide.id()).await?;
        if !node.key_fingerprint.is_empty() {
            output::note(&format!("Node {} has the key {}", node.info.node_id, node.key_fingerprint));
        }
        Ok(())
    }
}
