//! `bacalhau config set`

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::app::Start;
use crate::config::keys::{self, Key, Kind};
use crate::config::renamed::{self, Renamed};
use crate::config::{Value, edit};
use crate::error::Advised;
use crate::output;

/// Sets a key.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bacalhau config set API.Port=9999
  bacalhau config set Labels=zone=a,tier=edge
  bacalhau config set -c /etc/bacalhau/config.yaml Compute.AllowListedLocalPaths=/data/**:ro,/scratch:rw")]
pub struct Set {
    /// KEY=VALUE, or a key and its values
    #[arg(value_name = "KEY=VALUE", required = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Set {
    pub(super) fn run(self, start: &Start) -> anyhow::Result<ExitCode> {
        let (name, text) = self.assignment()?;
        let entries = entries(&name, &text)?;
        let path = file(start)?;
        output::print(&format!("Writing config to {}\n", path.display()))?;
        write(&path, &entries).with_context(|| format!("writing {}", path.display()))?;
        for why in entries.iter().filter_map(|(key, _)| key.idle) {
            output::warn(&format!("{name} has no effect: {why}"));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn assignment(&self) -> anyhow::Result<(String, String)> {
        match self.words.as_slice() {
            [word] => match word.split_once('=') {
                Some((name, text)) => Ok((name.trim().to_owned(), text.to_owned())),
                None => bail!("must provide both key and value, or key=value"),
            },
            [name, values @ ..] => {
                output::warn("use key=value instead of space-separated key value");
                Ok((name.clone(), values.join(",")))
            }
            [] => bail!("must provide both key and value, or key=value"),
        }
    }
}

fn entries(name: &str, text: &str) -> anyhow::Result<Vec<(&'static Key, Value)>> {
    if let Some(key) = keys::find(name) {
        return Ok(vec![(key, value(key, text)?)]);
    }
    match renamed::find(name) {
        Some(old) if !old.new.is_empty() && !old.is_roles() => {
            output::warn(&old.advice());
            let keys = old.new.iter().filter_map(|name| keys::find(name));
            keys.map(|key| Ok((key, value(key, text)?))).collect()
        }
        old => Err(unknown(name, old).into()),
    }
}

fn unknown(name: &str, old: Option<&Renamed>) -> Advised {
    let list = "Run 'bacalhau config list' for a list of valid keys";
    let near = || keys::nearest(name).map(|near| format!("did you mean {near:?}? {list}"));
    let hint = old.map(Renamed::advice).or_else(near);
    Advised::new(format!("{name:?} is not a valid config key"), hint.unwrap_or_else(|| list.to_owned()))
}

fn value(key: &Key, text: &str) -> anyhow::Result<Value> {
    let refused = |why: String| anyhow::anyhow!("config key: {:?} {why}", key.name);
    let value = Value::parse(key.kind, text).map_err(refused)?;
    ensure!(key.kind != Kind::Structure, refused("can only be set in a file".into()));
    match value {
        // The file is read from any directory.
        Value::Text(path) if key.name == "DataDir" && !path.starts_with('~') => {
            ensure!(!path.contains('$'), refused(format!("{path:?} contains a '$' character")));
            Ok(Value::Text(std::path::absolute(path)?.display().to_string()))
        }
        value => Ok(value),
    }
}

/// The one file to change: as given by `-c`, else the one in the data directory.
fn file(start: &Start) -> anyhow::Result<PathBuf> {
    let files: Vec<&String> = start.global.config.iter().filter(|argument| !argument.contains('=')).collect();
    match files.as_slice() {
        [] => Ok(start.default_file()),
        [file] if !file.ends_with(".yaml") && !file.ends_with(".yml") => {
            bail!("config file must end with '.yaml' or '.yml'")
        }
        [file] => {
            ensure!(Path::new(file).is_file(), "specified configuration file doesn't exist: {file}");
            Ok(file.into())
        }
        _ => bail!("single config file can be set"),
    }
}

/// The file is replaced at once, so that nobody ever reads half of it.
fn write(path: &Path, entries: &[(&Key, Value)]) -> anyhow::Result<()> {
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let text = edit::set(&old, entries).map_err(anyhow::Error::msg)?;
    // What a link leads to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(directory)?;
    if edit::has_comments(&old) {
        let kept = path.with_extension("yaml.old");
        fs::copy(&path, &kept)?;
        output::warn(&format!("comments are lost; the file as it was is kept as {}", kept.display()));
    }
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    temporary.write_all(text.as_bytes())?;
    if let Ok(metadata) = fs::metadata(&path) {
        fs::set_permissions(temporary.path(), metadata.permissions())?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, text: &str) -> String {
        format!("{:#}", entries(name, text).unwrap_err())
    }

    #[test]
    fn values_are_checked_against_the_type_of_their_key() {
        for (name, text, part) in [
            ("api.port", "abc", "config key: \"API.Port\" expects an integer value"),
            ("compute.enabled", "perhaps", "expects a boolean value, received: \"perhaps\""),
            ("inputsources.maxretrycount", "-1", "expects a positive integer value"),
            ("updateconfig.interval", "10days", "expects a valid duration value"),
            ("logging.mode", "loud", "expects one of default, station, json, combined, event"),
            ("JobDefaults.Ops.Task.Resources.Memory", "1 apple", "invalid memory value"),
            ("Labels", "zone", "found no '='"),
            ("API.Auth.Users", "x", "configuration file"),
            ("nope.nope", "1", "\"nope.nope\" is not a valid config key"),
        ] {
            let refused = refusal(name, text);
            assert!(refused.contains(part), "{refused}");
        }
        assert_eq!(entries("node.loggingmode", "JSON").unwrap()[0].1, Value::Text("json".into()));
    }

    #[test]
    fn a_file_is_made_changed_and_kept_when_it_has_comments() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/config.yaml");
        write(&path, &entries("API.Port", "9").unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "API:\n  Port: 9\n");
        fs::write(&path, "# mine\nAPI: {Port: 1}\n").unwrap();
        write(&path, &entries("API.Host", "h").unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "API:\n  Port: 1\n  Host: h\n");
        assert_eq!(fs::read_to_string(path.with_extension("yaml.old")).unwrap(), "# mine\nAPI: {Port: 1}\n");
        fs::write(&path, "a: [").unwrap();
        assert!(write(&path, &entries("API.Host", "h").unwrap()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a: [");
    }
}
