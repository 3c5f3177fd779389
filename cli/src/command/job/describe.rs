//! `bacalhau job describe`

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Which, described};
use crate::app::Context;
use crate::output::{self, document};

/// Shows a job in a form that `bacalhau job run` reads, or, as JSON and as a table, with all that became of it.
#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    which: Which,
    /// Output format; json and table tell of the executions and the history too
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    output: Form,
    /// Indent JSON
    #[arg(long)]
    pretty: bool,
    /// Add the executions to YAML
    #[arg(long)]
    include_executions: bool,
    /// Add the history to YAML
    #[arg(long, alias = "include-events")]
    include_history: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Form {
    Json,
    #[default]
    Yaml,
    #[value(alias = "text")]
    Table,
}

impl Describe {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (client, which) = (context.client()?, &self.which);
        let includes = self.include_executions || self.include_history;
        if !includes && matches!(self.output, Form::Yaml) {
            let job = client.job(&which.job, which.version, &which.namespace).await?.job;
            output::print(&document::yaml(&job)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut answer = client.job_with_everything(&which.job, which.version, &which.namespace).await?;
        output::print(&match self.output {
            Form::Json => document::json(&answer, self.pretty)?,
            Form::Table => described::text(&answer, output::stdout_has_colour()),
            Form::Yaml => {
                answer.executions = answer.executions.filter(|_| self.include_executions);
                answer.history = answer.history.filter(|_| self.include_history);
                document::yaml(&answer)?
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
