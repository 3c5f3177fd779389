//! Settings as they were written, before anybody asks what they mean.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use bacalhau_protocol::spec::closest;
use serde_norway::Value as Yaml;

use super::keys;

/// Settings from all sources. What is added later overrides what was there, so add files first, then the environment,
/// then the command line.
#[derive(Default)]
pub struct Settings {
    /// By key as documented.
    pub(super) values: BTreeMap<&'static str, Setting>,
    pub(super) warnings: Vec<String>,
    pub(super) mistakes: Vec<String>,
    pub(super) home: Option<PathBuf>,
}

pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File(PathBuf),
    /// In this environment variable.
    Environment(String),
    /// As a `-c` argument.
    CommandLine,
    /// By this flag of its own.
    Flag(&'static str),
    /// By the program that embeds the agent.
    Program,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::CommandLine => f.write_str("command line"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Program => f.write_str("program"),
        }
    }
}

impl Settings {
    /// Reads a YAML file that must be there.
    pub fn file(&mut self, path: &Path) {
        if path.is_dir() {
            let path = path.display();
            self.mistakes
                .push(format!("specified configuration file is a directory, must be a file: {path}"));
            return;
        }
        match std::fs::read_to_string(path) {
            Ok(text) => self.yaml(&text, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.mistakes.push(format!("specified configuration file doesn't exist: {}", path.display()));
            }
            Err(error) => self.mistakes.push(format!("{}: cannot be read: {error}", path.display())),
        }
    }

    /// Reads every variable that spells a key, the few that have names of their own, and `HOME`.
    pub fn environment(&mut self, variable: impl Fn(&str) -> Option<String>) {
        self.home = variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let spelled = keys::OWN.iter().map(|key| (keys::variable(key), *key));
        let named = keys::ALIASES.iter().map(|(name, key)| ((*name).to_owned(), *key));
        let written = |name: &str| variable(name).filter(|text| !text.is_empty());
        for (old, key) in keys::RENAMED {
            let name = keys::variable(old);
            if let Some(text) = written(&name) {
                self.warnings.push(format!("{name}: {old} has a new name: {key}"));
                self.put(key, Value::Text(text), Origin::Environment(name));
            }
        }
        for (name, key) in named.chain(spelled) {
            if let Some(text) = written(&name) {
                self.put(key, Value::Text(text), Origin::Environment(name));
            }
        }
    }

    /// Whether a `-c` argument names a file.
    pub fn is_file(argument: &str) -> bool {
        let yaml = |extension: &OsStr| extension == "yaml" || extension == "yml";
        !argument.contains('=') && Path::new(argument).extension().is_some_and(yaml)
    }

    /// Notes something that makes the settings unusable.
    pub fn mistake(&mut self, mistake: String) {
        self.mistakes.push(mistake);
    }

    /// Takes one `-c` argument: `Key=Value`, a YAML file, or the name of a key to set to true.
    pub fn argument(&mut self, text: &str) {
        match text.split_once('=') {
            Some((key, value)) => self.set(key.trim(), value, Origin::CommandLine),
            None if Self::is_file(text) => self.file(Path::new(text)),
            None if keys::own(text).is_none() && Path::new(text).exists() => {
                self.mistakes.push(format!("{text}: config files must end in suffix '.yaml' or '.yml'"));
            }
            None => self.set(text, "true", Origin::CommandLine),
        }
    }

    /// Sets one key; an unknown one is a mistake.
    pub fn set(&mut self, key: &str, value: &str, origin: Origin) {
        match (keys::own(key), keys::renamed(key)) {
            (Some(key), _) => self.put(key, Value::Text(value.to_owned()), origin),
            (None, Some(new)) => {
                self.warnings.push(format!("{origin}: {key} has a new name: {new}"));
                self.put(new, Value::Text(value.to_owned()), origin);
            }
            (None, None) if keys::is_elsewhere(key) => {}
            (None, None) => {
                self.mistakes.push(format!("{key}: no matching config key ({origin}){}", hint(key)))
            }
        }
    }

    /// Adds one item to a list, beside those set before by the same kind of source.
    pub fn add(&mut self, key: &str, item: &str, origin: Origin) {
        let Some(key) = keys::own(key) else { return self.set(key, item, origin) };
        match self.values.get_mut(key) {
            Some(Setting { value: Value::List(items), origin: same }) if *same == origin => {
                items.push(item.to_owned());
            }
            _ => self.put(key, Value::List(vec![item.to_owned()]), origin),
        }
    }

    fn yaml(&mut self, text: &str, path: &Path) {
        match serde_norway::from_str::<Yaml>(text) {
            Ok(Yaml::Null) => self.warnings.push(format!(
                "the specified configuration file is empty and ineffectual: {}",
                path.display()
            )),
            Ok(tree) => self.branch("", tree, path),
            Err(error) => self.mistakes.push(format!("{}: not YAML: {error}", path.display())),
        }
    }

    fn branch(&mut self, key: &str, tree: Yaml, path: &Path) {
        match tree {
            Yaml::Mapping(members) if !keys::is_map(key) => {
                for (name, member) in members {
                    let name = scalar(&name).unwrap_or_default();
                    let below = if key.is_empty() { name } else { format!("{key}.{name}") };
                    self.branch(&below, member, path);
                }
            }
            Yaml::Null => {}
            leaf => self.leaf(key, &leaf, path),
        }
    }

    fn leaf(&mut self, key: &str, leaf: &Yaml, path: &Path) {
        let (file, origin) = (path.display(), Origin::File(path.to_owned()));
        let known = match (keys::own(key), keys::renamed(key)) {
            (Some(known), _) => known,
            (None, Some(new)) => {
                self.warnings.push(format!("{file}: {key} has a new name: {new}"));
                // What the same file says under the name of today wins, wherever it stands.
                if self.values.get(new).is_some_and(|setting| setting.origin == origin) {
                    return;
                }
                new
            }
            (None, None) => {
                if !keys::is_elsewhere(key) {
                    self.warnings.push(format!("{file}: unknown key {key} has no effect{}", hint(key)));
                }
                return;
            }
        };
        match value(leaf) {
            Some(value) => self.put(known, value, origin),
            None => self.mistakes.push(format!("{known}: must hold plain texts or numbers only ({file})")),
        }
    }

    /// Maps merge between files; everything else is replaced. A flag and `-c` for the same key contradict each other.
    fn put(&mut self, key: &'static str, value: Value, origin: Origin) {
        if let (Origin::CommandLine, Some(Setting { origin: Origin::Flag(flag), .. })) =
            (&origin, self.values.get(key))
        {
            self.mistakes.push(format!(
                "flag: {flag} and config flag key {key:?} cannot both be provided. Only one may be used"
            ));
        }
        let value = match (value, self.values.remove(key)) {
            (Value::Map(new), Some(Setting { value: Value::Map(mut old), .. })) => {
                old.extend(new);
                Value::Map(old)
            }
            (value, _) => value,
        };
        self.values.insert(key, Setting { value, origin });
    }
}

fn hint(key: &str) -> String {
    closest(key, keys::OWN).map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

fn value(leaf: &Yaml) -> Option<Value> {
    Some(match leaf {
        Yaml::Sequence(items) => Value::List(items.iter().map(scalar).collect::<Option<_>>()?),
        Yaml::Mapping(members) => Value::Map(
            members.iter().map(|(key, value)| Some((scalar(key)?, scalar(value)?))).collect::<Option<_>>()?,
        ),
        other => Value::Text(scalar(other)?),
    })
}

fn scalar(leaf: &Yaml) -> Option<String> {
    match leaf {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
