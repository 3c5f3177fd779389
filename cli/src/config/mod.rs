//! Configuration, read once before anything starts: raw settings here, resolved parts in [`client`] and [`serve`].

pub mod client;
pub mod document;
pub mod duration;
pub mod keys;
pub mod layers;
pub mod serve;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use layers::{Flag, Invocation, load};
pub use value::Value;

/// What every source together says, key by key. Keys nobody set have their defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
    data_dir: PathBuf,
    warnings: Vec<String>,
}

impl Settings {
    fn new(values: BTreeMap<&'static str, Value>, data_dir: PathBuf, warnings: Vec<String>) -> Self {
        Self { values, data_dir, warnings }
    }

    /// The directory of everything that is kept.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What a person should hear although it stops nothing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether any source sets this key.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Every key that some source sets.
    pub fn explicit(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(name, value)| (*name, value))
    }

    /// The same settings with one more, which beats all others.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        let key = keys::find(name).expect("programs set keys that exist");
        self.values.insert(key.name, value);
        self
    }

    /// The same settings for a node that keeps everything in another directory.
    #[must_use]
    pub fn at(mut self, data_dir: PathBuf) -> Self {
        self.data_dir = data_dir;
        self
    }

    /// A key of [`keys::Kind::Text`] or [`keys::Kind::Choice`].
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

    /// A key of [`keys::Kind::Integer`].
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

    /// A key of [`keys::Kind::Structure`].
    pub fn structure(&self, name: &str) -> Option<serde_json::Value> {
        match self.value(name) {
            Some(Value::Structure(value)) => Some(value),
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        debug_assert!(keys::find(name).is_some(), "{name} is no configuration key");
        self.values.get(name).cloned().or_else(|| {
            let key = keys::find(name)?;
            Value::parse(key.kind, key.default).ok()
        })
    }
}

/// Everything that is wrong with the configuration, in the order of its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

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
