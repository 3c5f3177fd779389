//! `bacalhau wasm`: WebAssembly modules as jobs.

mod run;
mod validate;

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::Context;

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// Run a module
    Run(Box<run::Run>),
    /// Check a module, or the modules of a job file, without a server
    Validate(validate::Validate),
}

impl Command {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(command) => command.run(context).await,
            Self::Validate(command) => command.run(),
        }
    }
}
