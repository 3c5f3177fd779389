//! `bacalhau validate`, now `bacalhau job validate`

use std::process::ExitCode;

use bacalhau_protocol::api::Job;
use clap::Args;
use schemars::generate::SchemaSettings;

use crate::app::Context;
use crate::command::job;
use crate::output::{self, document};

/// Checks a job file without a server.
#[derive(Args, Debug)]
#[group(skip)]
pub struct Validate {
    #[command(flatten)]
    check: job::Validate,
    /// Print the JSON schema of a job instead
    #[arg(long)]
    output_schema: bool,
}

impl Validate {
    /// Runs the command.
    pub fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if !self.output_schema {
            return self.check.and_say(context, "The Job is valid\n");
        }
        let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
        output::print(&document::json(&generator.into_root_schema_for::<Job>(), true)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
