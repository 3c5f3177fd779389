//! Input source `localDirectory` (newer name `local`): a path of the node.

use serde_json::Value;

use super::fields::expected;
use super::{Fields, InvalidParams, Report, read};
use crate::model::SpecConfig;

/// Parameters of a local source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSource {
    /// Absolute path on the node.
    pub path: String,
    /// The task may change what is there.
    pub read_write: bool,
    /// What to do when nothing is there.
    pub create_as: CreateAs,
}

/// What to do when nothing is at the path of a local source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreateAs {
    /// Refuse.
    #[default]
    NoCreate,
    /// Make a directory.
    Directory,
    /// Make an empty file.
    File,
}

impl LocalSource {
    /// Reads the parameters.
    pub fn parse(config: &SpecConfig) -> Result<Self, InvalidParams> {
        read(config, Self::from_fields)
    }

    pub(super) fn from_fields(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let path = fields.text("SourcePath", report);
        if !path.starts_with('/') || path.contains('\0') {
            let message = format!("expected an absolute path such as \"/var/log\", found {path:?}");
            report.error(fields.at("SourcePath"), message);
        }
        let read_write = read_write(fields, report);
        let create_as = create_as(fields, report);
        if create_as != CreateAs::NoCreate && !read_write {
            report.error(fields.at("CreateAs"), "creating a path needs ReadWrite: true");
        }
        Self { path, read_write, create_as }
    }
}

/// A boolean, or its word.
fn read_write(fields: &mut Fields<'_>, report: &mut Report) -> bool {
    match fields.value("ReadWrite") {
        None => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => true,
        Some(Value::String(word)) if word.is_empty() || word.eq_ignore_ascii_case("false") => false,
        Some(other) => {
            report.error(fields.at("ReadWrite"), expected("true or false", other));
            false
        }
    }
}

fn create_as(fields: &mut Fields<'_>, report: &mut Report) -> CreateAs {
    match fields.text("CreateAs", report).to_lowercase().as_str() {
        "" | "nocreate" => CreateAs::NoCreate,
        "dir" => CreateAs::Directory,
        "file" => CreateAs::File,
        other => {
            report.error(fields.at("CreateAs"), format!("expected dir, file or noCreate, found {other:?}"));
            CreateAs::NoCreate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(params: &str) -> Result<LocalSource, InvalidParams> {
        LocalSource::parse(&SpecConfig { kind: "localDirectory".into(), params: params.into() })
    }

    #[test]
    fn keys_and_words_are_read_in_any_case() {
        let source = parse(r#"{"sourcePath": "/data", "READWRITE": "True", "createas": "DIR"}"#).unwrap();
        let expected = LocalSource { path: "/data".into(), read_write: true, create_as: CreateAs::Directory };
        assert_eq!(source, expected);
        assert!(!parse(r#"{"SourcePath": "/var/log"}"#).unwrap().read_write);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let error =
            parse(r#"{"SourcePath": "var", "ReadWrite": 1, "CreateAs": "link"}"#).unwrap_err().to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 3, "{error}");
        assert!(lines[0].starts_with("Params.SourcePath: expected an absolute path"));
        assert!(lines[1].starts_with("Params.ReadWrite: expected true or false, found the number 1"));
        assert!(lines[2].starts_with("Params.CreateAs: expected dir, file or noCreate"));
    }

    #[test]
    fn only_writable_paths_can_be_created() {
        assert!(
            parse(r#"{"SourcePath": "/x", "CreateAs": "file"}"#)
                .unwrap_err()
                .to_string()
                .contains("ReadWrite")
        );
    }
}
