//! `bacalhau job run`

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::Context;
use crate::flags::template::TemplateFlags;
use crate::job_file::{self, JobFile};
use crate::output::{self, document};
use crate::waiting::{self, Runtime};

/// Submits a job from a YAML or JSON file.
#[derive(Args, Debug)]
pub struct Run {
    /// The file [default: standard input]
    file: Option<PathBuf>,
    /// Print the job instead of submitting it
    #[arg(long)]
    dry_run: bool,
    /// Submit even if nothing changed
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    template: TemplateFlags,
    #[command(flatten)]
    runtime: Runtime,
}

impl Run {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let JobFile { job, is_described } = self.read(context)?;
        if self.dry_run {
            output::print(&document::yaml(&job)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let client = context.client()?;
        Box::pin(waiting::submit(&client, &job, self.force || is_described, &self.runtime)).await
    }

    fn read(&self, context: &Context) -> anyhow::Result<JobFile> {
        let (text, base) = match &self.file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("opening job file ({:?})", path.display().to_string()))?;
                (text, path.parent().unwrap_or_else(|| Path::new("")))
            }
            None => {
                if std::io::stdin().is_terminal() {
                    output::note("Reading from /dev/stdin; send Ctrl-d to stop.");
                }
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("reading the job from standard input")?;
                (text, Path::new(""))
            }
        };
        let text = self.template.apply(text, &context.environment)?;
        Ok(job_file::read(&text, base)?)
    }
}
