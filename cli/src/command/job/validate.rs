//! `bacalhau job validate`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::flags::template::TemplateFlags;
use crate::job_file::source::Source;
use crate::{job_file, output};

/// Checks a job file without a server, with the checks of a server. Names of a template that have no value stand for
/// themselves.
#[derive(Args, Debug)]
pub struct Validate {
    /// The file [default: standard input]
    file: Option<PathBuf>,
    #[command(flatten)]
    template: TemplateFlags,
}

impl Validate {
    /// Runs the command.
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.and_say(context, "OK\n")
    }

    /// Checks the file, and prints `words` if nothing is wrong with it.
    pub fn and_say(&self, context: &Context, words: &str) -> anyhow::Result<ExitCode> {
        let source = Source::read(self.file.as_deref())?;
        let (text, unset) = self.template.sketch(source.text, &context.environment)?;
        for name in unset {
            output::warn(&format!("{{{{.{name}}}}} has no value; checked with {name:?} in its place"));
        }
        for file in job_file::read_all(&text, &source.base)? {
            file.warnings.iter().for_each(|warning| output::warn(warning));
        }
        output::print(words)?;
        Ok(ExitCode::SUCCESS)
    }
}
