//! `bacalhau job validate`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::job_file::source::Source;
use crate::{job_file, output};

/// Checks a job file without a server, with the checks of a server.
#[derive(Args, Debug)]
pub struct Validate {
    /// The file [default: standard input]
    file: Option<PathBuf>,
}

impl Validate {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let source = Source::read(self.file.as_deref())?;
        for file in job_file::read_all(&source.text, &source.base)? {
            file.warnings.iter().for_each(|warning| output::warn(warning));
        }
        output::print("OK\n")?;
        Ok(ExitCode::SUCCESS)
    }
}
