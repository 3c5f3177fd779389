//! `bacalhau completion`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::output;

/// Prints a script that completes commands and flags.
#[derive(Args, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  source <(bacalhau completion bash)
  bacalhau completion zsh > \"${fpath[1]}/_bacalhau\"
  bacalhau completion fish > ~/.config/fish/completions/bacalhau.fish"
)]
pub struct Completion {
    /// The shell it is for
    #[arg(value_enum, value_name = "bash|zsh|fish|powershell")]
    shell: Target,
    /// Accepted for the original's sake
    #[arg(long, hide = true)]
    no_descriptions: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl Completion {
    /// Runs the command. `tree` is the whole command line.
    pub fn run(self, mut tree: clap::Command) -> anyhow::Result<ExitCode> {
        let shell = match self.shell {
            Target::Bash => Shell::Bash,
            Target::Zsh => Shell::Zsh,
            Target::Fish => Shell::Fish,
            Target::Powershell => Shell::PowerShell,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut tree, "bacalhau", &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}
