//! `bacalhau docker`: containers as jobs.

mod container;
mod run;

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::Context;

pub use container::Container;

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// Run a container
    Run(Box<run::Run>),
}

impl Command {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(command) => Box::pin(command.run(context)).await,
        }
    }
}
