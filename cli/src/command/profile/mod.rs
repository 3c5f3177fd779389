//! `bacalhau profile`: named servers of a client.

mod delete;
mod list;
mod save;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::app::Context;
use crate::output;

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// List the profiles there are
    List(list::List),
    /// Make a profile, or change what is given of one
    Save(save::Save),
    /// Show a profile
    Show(show::Show),
    /// Use a profile from now on
    Select(Select),
    /// Delete a profile
    Delete(delete::Delete),
}

/// Uses a profile from now on.
#[derive(Args, Debug)]
pub struct Select {
    /// Name of the profile
    name: String,
}

impl Command {
    /// Runs the command.
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(command) => command.run(context),
            Self::Save(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Select(command) => select(context, &command.name),
            Self::Delete(command) => command.run(context),
        }
    }
}

fn select(context: &Context, name: &str) -> anyhow::Result<ExitCode> {
    context.profiles().select(name)?;
    output::print(&format!("Switched to profile {name:?}\n"))?;
    Ok(ExitCode::SUCCESS)
}
