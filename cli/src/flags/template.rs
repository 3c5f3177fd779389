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
        Ok(template::render(&text, &self.values(variables)?).map_err(invalid)?)
    }

    /// As [`apply`](Self::apply), except that names without a value stand for themselves. They are given back.
    pub fn sketch(
        &self,
        text: String,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<(String, Vec<String>)> {
        let mut unset = Vec::new();
        if self.no_template {
            return Ok((text, unset));
        }
        let mut values = self.values(variables)?;
        loop {
            match template::render(&text, &values) {
                Err(template::Error::Missing { key, .. }) if unset.len() < MAX_UNSET => {
                    values.insert(key.clone(), key.clone());
                    unset.push(key);
                }
                rendered => return Ok((rendered.map_err(invalid)?, unset)),
            }
        }
    }

    fn values(&self, variables: &BTreeMap<String, String>) -> anyhow::Result<template::Values> {
        let given =
            environment::pairs("-V, --template-vars", &self.template_vars).map_err(anyhow::Error::msg)?;
        Ok(template::values(given, self.template_envs.as_deref(), variables).map_err(invalid)?)
    }
}

/// Names without a value that stand for themselves.
const MAX_UNSET: usize = 100;

fn invalid(error: template::Error) -> Advised {
    Advised::new(format!("the job provided is invalid: {error}"), error.hint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parsed::parsed;

    #[test]
    fn names_without_a_value_stand_for_themselves_in_a_sketch() {
        let flags: TemplateFlags = parsed(&["-V", "greeting=hi"]).unwrap();
        let text = "{{.greeting}} {{.who}}, {{or (index . \"v\") \"24.04\"}}".to_owned();
        assert!(flags.apply(text.clone(), &BTreeMap::new()).is_err());
        let (sketch, unset) = flags.sketch(text, &BTreeMap::new()).unwrap();
        assert_eq!((sketch.as_str(), unset), ("hi who, 24.04", vec!["who".to_owned()]));
    }
}
