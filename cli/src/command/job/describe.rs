//! `bacalhau job describe`

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Which, described};
use crate::app::Context;
use crate::output::{self, document};

/// Shows a job in a form that `bacalhau job run` reads, or with all that became of it.
#[derive(Args, Debug)]
pub struct Describe {
    #[command(flatten)]
    which: Which,
    /// Output format; table tells of the executions, the history and the output too
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    output: Form,
    /// Indent JSON
    #[arg(long)]
    pretty: bool,
    /// Add the executions to JSON and YAML
    #[arg(long)]
    include_executions: bool,
    /// Add the history to JSON and YAML
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
        let text = if includes || matches!(self.output, Form::Table) {
            let mut answer = client.job_with_everything(&which.job, which.version, &which.namespace).await?;
            if let Form::Table = self.output {
                described::text(&answer, output::stdout_has_colour())
            } else {
                answer.executions = answer.executions.filter(|_| self.include_executions);
                answer.history = answer.history.filter(|_| self.include_history);
                self.document(&answer)?
            }
        } else {
            self.document(&client.job(&which.job, which.version, &which.namespace).await?.job)?
        };
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn document<T: serde::Serialize>(&self, object: &T) -> anyhow::Result<String> {
        match self.output {
            Form::Json => document::json(object, self.pretty),
            _ => document::yaml(object),
        }
    }
}
