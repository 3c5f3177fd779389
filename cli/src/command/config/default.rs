//! `bacalhau config default`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app::Start;
use crate::config::{Flag, Invocation, document, load};
use crate::output;

/// Prints the defaults.
#[derive(Args, Debug)]
pub struct Default {
    /// Directory of everything that is kept, for defaults that are paths
    #[arg(long, value_name = "PATH")]
    path: Option<PathBuf>,
}

impl Default {
    pub(super) fn run(self, start: &Start) -> anyhow::Result<ExitCode> {
        let home = start.environment.get_key_value("HOME").map(|(name, home)| (name.clone(), home.clone()));
        let path = self.path.map(|path| path.display().to_string());
        let flags = path.map(|value| Flag { name: "--path", key: "DataDir", value });
        let bare = Invocation {
            environment: home.into_iter().collect(),
            flags: flags.into_iter().collect(),
            ..Invocation::default()
        };
        let settings = load(&bare, &|_| Err(std::io::ErrorKind::NotFound.into()))?;
        output::print(&serde_norway::to_string(&document::complete(&settings))?)?;
        Ok(ExitCode::SUCCESS)
    }
}
