//! `bacalhau auth`: what this client says about itself.

mod hash_password;
mod info;

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::Context;
use crate::error::Advised;
use crate::output;

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// Show which server is asked, and with which credential
    Info(info::Info),
    /// Hash a password for API.Auth.Users
    HashPassword(hash_password::HashPassword),
    /// Single sign-on, which this server does not offer
    #[command(subcommand)]
    Sso(Sso),
}

/// Single sign-on.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Sso {
    /// Log in
    Login,
    /// Log out
    Logout {
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
    /// Show the token
    Token {
        /// Show what the token says
        #[arg(short, long)]
        decode: bool,
    },
}

impl Command {
    /// Runs the command.
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Info(command) => command.run(context),
            Self::HashPassword(command) => command.run(),
            Self::Sso(Sso::Token { .. } | Sso::Logout { .. }) => {
                output::note("No authentication token found");
                Ok(ExitCode::SUCCESS)
            }
            Self::Sso(Sso::Login) => Err(Advised::new(
                "orchestrator does not support logging in using SSO",
                "credentials come from BACALHAU_API_KEY, from BACALHAU_API_USERNAME and BACALHAU_API_PASSWORD, or from a \
                 profile",
            )
            .into()),
        }
    }
}
