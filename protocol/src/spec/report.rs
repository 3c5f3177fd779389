//! What is wrong or odd, and where.

use std::fmt;

/// Errors told at once; a hostile job must not make a hostile answer.
const MAX_ERRORS: usize = 50;
/// Warnings told at once.
const MAX_WARNINGS: usize = 50;

/// One field that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `Tasks[0].Engine.Type`; empty for the whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// All that was found while reading.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) errors: Vec<FieldError>,
    pub(crate) warnings: Vec<String>,
    /// Fields nobody knows, with the nearest name that exists.
    pub(crate) unknown: Vec<FieldError>,
}

impl Report {
    pub(crate) fn error(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError { path: path.into(), message: message.into() });
        }
    }

    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(message.into());
        }
    }

    pub(crate) fn unknown(&mut self, path: String, message: String) {
        if self.unknown.len() < MAX_WARNINGS {
            self.unknown.push(FieldError { path, message });
        }
    }
}

/// One line per error.
pub(crate) fn join(errors: &[FieldError]) -> String {
    errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("\n")
}
