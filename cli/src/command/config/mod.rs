//! `bacalhau config`: what is configured, and changing it.

mod default;
mod list;
mod set;

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::{Context, Start};

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// List every key with the value it has at the next start
    List(list::List),
    /// Set a key in the configuration file
    Set(set::Set),
    /// Print the defaults as a configuration file
    Default(default::Default),
}

impl Command {
    /// Runs the command. The configuration may have mistakes: `set` mends them.
    pub fn run(self, start: Start) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(&Context::load(start)?),
            Self::Set(command) => command.run(&start),
            Self::Default(command) => command.run(&start),
        }
    }
}
