//! `bacalhau agent`: what the server says about itself.

mod alive;
mod config;
mod node;
mod version;

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::Context;

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// Ask whether the server is alive
    Alive(alive::Alive),
    /// Show the configuration that the server runs with
    Config(config::Config),
    /// Describe the server's node
    Node(node::Node),
    /// Show the server's version
    Version(version::Version),
}

impl Command {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Alive(command) => command.run(context).await,
            Self::Config(command) => command.run(context).await,
            Self::Node(command) => command.run(context).await,
            Self::Version(command) => command.run(context).await,
        }
    }
}
