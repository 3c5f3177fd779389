//! `bacalhau job run`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::client::Client;
use crate::fetching;
use crate::flags::download::DownloadFlags;
use crate::flags::runtime::{Runtime, Warnings};
use crate::flags::template::TemplateFlags;
use crate::job_file::source::Source;
use crate::job_file::{self, JobFile};
use crate::output::{self, document};
use crate::waiting::{self, Submission};

/// Submits the jobs of a YAML or JSON file.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// The file [default: standard input]
    file: Option<PathBuf>,
    /// Print the job instead of submitting it, and in what it differs from the stored job of its name
    #[arg(long)]
    dry_run: bool,
    /// Submit even if nothing changed
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    template: TemplateFlags,
    #[command(flatten)]
    warnings: Warnings,
    #[command(flatten)]
    runtime: Runtime,
}

const EXAMPLES: &str = "\
Examples:
  bacalhau job run job.yaml
  bacalhau job run --dry-run job.yaml
  bacalhau job describe j-1a2b3c4d | bacalhau job run --id-only --wait=false";

impl Run {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        Box::pin(self.and_fetch(context, None)).await
    }

    /// Runs the command, and fetches the results as `download` says.
    pub async fn and_fetch(
        &self,
        context: &Context,
        download: Option<&DownloadFlags>,
    ) -> anyhow::Result<ExitCode> {
        if let Some(flags) = download {
            fetching::check_directory(flags)?;
        }
        let source = Source::read(self.file.as_deref())?;
        let text = self.template.apply(source.text, &context.environment)?;
        let files = job_file::read_all(&text, &source.base)?;
        let client = context.client()?;
        if self.dry_run {
            return dry_run(&client, &files).await;
        }
        let submission = Submission { runtime: &self.runtime, download };
        Box::pin(self.submit(&client, &files, &submission)).await
    }

    /// Submits all jobs before it waits for the first.
    async fn submit(
        &self,
        client: &Client,
        files: &[JobFile],
        submission: &Submission<'_>,
    ) -> anyhow::Result<ExitCode> {
        let mut submitted = Vec::new();
        for file in files {
            let answer = client.submit(&file.job, self.force || file.is_described).await?;
            if self.warnings.are_shown() {
                answer.warnings.iter().for_each(|warning| output::warn(warning));
            }
            waiting::announce(&answer.job_id, submission)?;
            submitted.push(answer.job_id);
        }
        let mut worst = ExitCode::SUCCESS;
        for id in &submitted {
            let ended = Box::pin(waiting::after(client, id, submission)).await?;
            if ended != ExitCode::SUCCESS {
                worst = ended;
            }
        }
        Ok(worst)
    }
}

/// The jobs on stdout; in what they differ from stored ones on stderr, where a server can tell.
async fn dry_run(client: &Client, files: &[JobFile]) -> anyhow::Result<ExitCode> {
    for (index, file) in files.iter().enumerate() {
        file.warnings.iter().for_each(|warning| output::warn(warning));
        if index > 0 {
            output::print("---\n")?;
        }
        output::print(&document::yaml(&file.job)?)?;
        if let Some(name) = file.name() {
            tell_difference(client, name, file).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A server that is not there, or does not know the job, has nothing to say here.
async fn tell_difference(client: &Client, name: &str, file: &JobFile) {
    let Ok(answer) = client.diff(&file.job).await else { return };
    answer.warnings.iter().flatten().for_each(|warning| output::warn(warning));
    if answer.diff.is_empty() {
        output::note(&format!("\nNothing changes in the stored job {name}."));
    } else {
        output::note(&format!("\nWhat changes in the stored job {name}:"));
        output::note(document::diff(&answer.diff, output::stderr_has_colour()).trim_end());
    }
}
