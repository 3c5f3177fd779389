//! Configuration, read once before anything starts: raw settings here, resolved parts in [`client`] and [`serve`].

mod arguments;
pub mod client;
mod data_dir;
pub mod document;
pub mod dotenv;
pub mod edit;
pub mod host;
pub mod keys;
pub mod layers;
pub mod renamed;
pub mod serve;
pub mod value;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use bacalhau_protocol::duration;
pub use layers::{Flag, Invocation, default_file, load, merge};
pub use value::Value;

/// What every source together says, key by key. Keys nobody set have their defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, Setting>,
    data_dir: PathBuf,
    warnings: Vec<String>,
    notes: Vec<String>,
    file: PathBuf,
}

/// A value, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// A file, a variable of the environment, or a flag.
    pub origin: String,
}

impl Settings {
    /// The directory of everything that is kept.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What a person should hear although it stops nothing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What only those care about who run a node: keys that are set and have no effect.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The configuration file in use, or the one that would be if it were there.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where a key was set; `None` where it has its default.
    pub fn origin(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|setting| setting.origin.as_str())
    }

    /// Whether any source sets this key.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Every key that some source sets.
    pub fn explicit(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(name, setting)| (*name, &setting.value))
    }

    /// The same settings with one more, which beats all others.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        let key = keys::find(name).expect("programs set keys that exist");
        self.values.insert(key.name, Setting { value, origin: "program".into() });
        self
    }

    /// The same settings for a node that keeps everything in another directory.
    #[must_use]
    pub fn at(mut self, data_dir: PathBuf) -> Self {
        self.data_dir = data_dir;
        self
    }

    /// A key of [`keys::Kind::Text`], [`keys::Kind::Form`] or [`keys::Kind::Choice`].
    pub fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => String::new(),
        }
    }

    /// A key of [`keys::Kind::Bool`].
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// A key of [`keys::Kind::Integer`], [`keys::Kind::Count`] or [`keys::Kind::Port`].
    pub fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Integer(number)) => number,
            _ => 0,
        }
    }

    /// A key of [`keys::Kind::Duration`].
    pub fn duration(&self, name: &str) -> Duration {
        match self.value(name) {
            Some(Value::Duration(duration)) => duration,
            _ => Duration::ZERO,
        }
    }

    /// A key of [`keys::Kind::List`].
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        }
    }

    /// A key of [`keys::Kind::Map`].
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        match self.value(name) {
            Some(Value::Map(entries)) => entries,
            _ => BTreeMap::new(),
        }
    }

    /// What a key has, or its default.
    pub fn value(&self, name: &str) -> Option<Value> {
        debug_assert!(keys::find(name).is_some(), "{name} is no configuration key");
        self.values.get(name).map(|setting| setting.value.clone()).or_else(|| {
            let key = keys::find(name)?;
            Value::parse(key.kind, key.default).ok()
        })
    }
}

/// Everything that is wrong with the configuration, in the order of its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl Problems {
    /// Adds what else was found, but for what follows from a mistake that is told already: it names the same key.
    pub fn add(&mut self, found: Self) {
        let names = |text: &str, key: &keys::Key| text.contains(key.name);
        let told: Vec<_> =
            keys::KEYS.iter().filter(|key| self.0.iter().any(|text| names(text, key))).collect();
        self.0.extend(found.0.into_iter().filter(|text| !told.iter().any(|key| names(text, key))));
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => f.write_str(only),
            many => {
                write!(f, "the configuration has {} mistakes:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
            }
        }
    }
}
