//! Flags as a command reads them, for tests.

use clap::{Args, Parser};

#[derive(Parser)]
struct Command<A: Args> {
    #[command(flatten)]
    flags: A,
}

/// Reads the arguments of a command that has these flags.
pub(crate) fn parsed<A: Args>(arguments: &[&str]) -> Result<A, clap::Error> {
    Command::try_parse_from(["command"].iter().chain(arguments)).map(|command| command.flags)
}
