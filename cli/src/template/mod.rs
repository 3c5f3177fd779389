//! Templates in job files: Go's `text/template` over the text of the file, before anybody reads it as YAML.
//!
//! The data is a flat map from names to texts. A name that is not there is an error, except through `index`.

mod blocks;
mod functions;
mod place;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use gotmpl::{MissingKey, Template, TemplateError, Value};
use regex::Regex;

/// Values by name.
pub type Values = BTreeMap<String, String>;

/// Why a text is no template, or cannot be filled in. Places count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pattern that chooses variables of the environment.
    #[error("failed to compile environment variable pattern: {0}")]
    Pattern(String),
    /// It is no template.
    #[error("failed to parse template: template: :{line}:{column}: {message}")]
    Parse {
        /// Line of the mistake.
        line: usize,
        /// Column of the mistake.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A name that has no value.
    #[error(
        "failed to execute template: template: :{line}:{column}: executing \"\" at <.{key}>: \
         map has no entry for key {key:?}"
    )]
    Missing {
        /// Line of the use.
        line: usize,
        /// Column of the use.
        column: usize,
        /// The name.
        key: String,
    },
    /// It cannot be filled in for another reason.
    #[error("failed to execute template: template: :{line}:{column}: {message}")]
    Execute {
        /// Line of the action.
        line: usize,
        /// Column of the action.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Pattern(_) => "--template-envs takes a regular expression, such as '^APP_'".into(),
            Self::Missing { key, .. } => format!(
                "give it with -V {key}=VALUE, or write {{{{index . {key:?}}}}} where it may be absent; \
                 --no-template leaves the file as it is"
            ),
            Self::Parse { .. } | Self::Execute { .. } => {
                "--no-template leaves the file as it is; {{\"{{\"}} writes two braces".into()
            }
        }
    }
}

/// The variables of the environment whose name matches somewhere, `*` standing for all, below `given` values.
pub fn values(
    given: Values,
    pattern: Option<&str>,
    environment: &BTreeMap<String, String>,
) -> Result<Values, Error> {
    let mut values = Values::new();
    if let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) {
        let pattern = if pattern == "*" { "" } else { pattern };
        let pattern = Regex::new(pattern).map_err(|error| Error::Pattern(error.to_string()))?;
        let matching = environment.iter().filter(|(name, _)| pattern.is_match(name));
        values.extend(matching.map(|(name, value)| (name.clone(), value.clone())));
    }
    values.extend(given);
    Ok(values)
}

/// What the engine calls the text of the file.
const NAME: &str = "job";

/// Fills in a template.
pub fn render(text: &str, values: &Values) -> Result<String, Error> {
    let template = Template::new(NAME)
        .missing_key(MissingKey::Error)
        .func("index", functions::index)
        .parse(text)
        .map_err(|error| parse_error(text, error))?;
    blocks::check(text).map_err(|mistake| {
        let (line, column) = place::position(text, mistake.offset);
        Error::Parse { line, column, message: mistake.message }
    })?;
    if let Some(unknown) = place::unknown_function(&template, text) {
        return Err(unknown);
    }
    let data: BTreeMap<String, Value> =
        values.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let data = Value::from(data);
    template.execute_to_string(&data).map_err(|error| place::located(template, text, &data, &error))
}

fn parse_error(text: &str, error: TemplateError) -> Error {
    match error {
        TemplateError::Parse { line, col, message, .. } | TemplateError::Lex { line, col, message, .. } => {
            Error::Parse { line, column: col, message }
        }
        other => Error::Parse { line: text.lines().count().max(1), column: 1, message: other.to_string() },
    }
}
