//! `bacalhau profile delete`

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::output;

/// Deletes a profile.
#[derive(Args, Debug)]
pub struct Delete {
    /// Name of the profile
    name: String,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Delete {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let profiles = context.profiles();
        profiles.read(&self.name)?;
        let is_current = profiles.current().as_ref() == Some(&self.name);
        if is_current && !self.force && !agreed(&self.name)? {
            output::print("Deletion cancelled\n")?;
            return Ok(ExitCode::SUCCESS);
        }
        profiles.delete(&self.name)?;
        output::print(&format!("Profile {:?} deleted\n", self.name))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn agreed(name: &str) -> std::io::Result<bool> {
    let mut stderr = std::io::stderr();
    write!(stderr, "Profile {name:?} is the current one. Delete it? (y/N): ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
