//! `-V`, `-E` and `--no-template`: what fills in a job file (cli.md 7).

use std::collections::BTreeMap;

use clap::Args;

use crate::error::Advised;
use crate::flags::environment;
use crate::template;

/// How a job file is filled in before it is read.
#[derive(Args, Clone, Debug, Default)]
pub struct TemplateFlags {
    /// Take the file as it is
    #[arg(long)]
    no_template: bool,
    /// Value of {{.KEY}} in the file; may be repeated, or hold several pairs
    #[arg(short = 'V', long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    template_vars: Vec<String>,
    /// Regular expression: environment variables whose name matches fill in the file, too
    #[arg(short = 'E', long, value_name = "REGEX")]
    template_envs: Option<String>,
}

impl TemplateFlags {
    /// The text of a job file, filled in.
    pub fn apply(&self, text: String, variables: &BTreeMap<String, String>) -> anyhow::Result<String> {
        if self.no_template {
            return Ok(text);
        }
        let given = environment::pairs(&self.template_vars)
            .map_err(|why| anyhow::anyhow!("invalid argument for \"-V, --template-vars\" flag: {why}"))?;
        let invalid = |error: template::Error| {
            Advised::new(format!("the job provided is invalid: {error}"), error.hint())
        };
        let values = template::values(given, self.template_envs.as_deref(), variables).map_err(invalid)?;
        Ok(template::render(&text, &values).map_err(invalid)?)
    }
}
