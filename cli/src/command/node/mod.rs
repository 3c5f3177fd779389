//! `bacalhau node`: the machines running the agent, and who of them may take work.

mod approve;
mod decide;
mod describe;
mod list;

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::Context;
use crate::client::NodeAction;

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// List nodes
    List(list::List),
    /// Show everything known about a node
    Describe(describe::Describe),
    /// Let a node take work
    Approve(approve::Approve),
    /// Refuse a node and stop what it runs
    Reject(decide::Decide),
    /// Forget a node; it may ask to join again
    Delete(decide::Decide),
}

impl Command {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Describe(command) => command.run(context).await,
            Self::Approve(command) => command.run(context).await,
            Self::Reject(command) => command.run(context, NodeAction::Reject).await,
            Self::Delete(command) => command.run(context, NodeAction::Delete).await,
        }
    }
}
