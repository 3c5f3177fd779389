//! `bacalhau agent config`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::Context;
use crate::output::{self, ObjectFormat, document};

/// Shows the configuration that the server runs with. Its secrets are replaced.
#[derive(Args, Debug)]
pub struct Config {
    /// Output format
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    output: ObjectFormat,
    /// Indent JSON
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_name = "BOOL")]
    pretty: bool,
}

impl Config {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.client()?.agent_config().await.context("could not get server config")?;
        output::print(&match self.output {
            ObjectFormat::Json => document::json(&config, self.pretty)?,
            ObjectFormat::Yaml => document::yaml(&config)?,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
