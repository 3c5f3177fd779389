//! Reading the members of a JSON object without regard to case, remembering which are known.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::report::Report;
use super::suggest::closest;

/// An object being read. What has the wrong type is reported and read as if it were absent; so is `null`, silently.
pub(crate) struct Fields<'v> {
    path: String,
    entries: &'v Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'v> Fields<'v> {
    /// `None` for `null`, and with a report for anything else that is no object.
    pub(crate) fn new(path: impl Into<String>, value: &'v Value, report: &mut Report) -> Option<Self> {
        let path = path.into();
        match value {
            Value::Object(entries) => Some(Self { path, entries, known: Vec::new() }),
            Value::Null => None,
            other => {
                report.error(path, expected("an object", other));
                None
            }
        }
    }

    /// The whole path of a member.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A member that is there and not `null`. Of several spellings of one key the last counts, as in Go.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'v Value> {
        self.known.push(key);
        let mut found = self.entries.iter().rev().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        found.next().map(|(_, value)| value).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, key: &'static str, report: &mut Report) -> String {
        match self.value(key) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                report.error(self.at(key), expected("text", other));
                String::new()
            }
        }
    }

    pub(crate) fn integer(&mut self, key: &'static str, report: &mut Report) -> Option<i64> {
        let value = self.value(key)?;
        if value.as_i64().is_none() {
            report.error(self.at(key), expected("a whole number", value));
        }
        value.as_i64()
    }

    pub(crate) fn texts(&mut self, key: &'static str, report: &mut Report) -> Vec<String> {
        let items = self.items(key, report).into_iter();
        items.filter_map(|(path, value)| text_of(path, value, report)).collect()
    }

    pub(crate) fn text_map(&mut self, key: &'static str, report: &mut Report) -> BTreeMap<String, String> {
        let Some(map) = self.object(key, report) else { return BTreeMap::new() };
        let entries = map.entries.iter().filter(|(_, value)| !value.is_null());
        entries
            .filter_map(|(name, value)| Some((name.clone(), text_of(map.at(name), value, report)?)))
            .collect()
    }

    pub(crate) fn object(&mut self, key: &'static str, report: &mut Report) -> Option<Self> {
        let value = self.value(key)?;
        Self::new(self.at(key), value, report)
    }

    /// The items of a list, each with its path.
    pub(crate) fn items(&mut self, key: &'static str, report: &mut Report) -> Vec<(String, &'v Value)> {
        let path = self.at(key);
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
            }
            Some(other) => {
                report.error(path, expected("a list", other));
                Vec::new()
            }
        }
    }

    /// All members as they are.
    pub(crate) fn raw(&self) -> &'v Map<String, Value> {
        self.entries
    }

    /// Reports members that were never asked for. Comes last.
    pub(crate) fn report_unknown(&self, report: &mut Report) {
        let is_known = |name: &str| self.known.iter().any(|key| key.eq_ignore_ascii_case(name));
        for name in self.entries.keys().filter(|name| !is_known(name)) {
            let message = match closest(name, &self.known) {
                Some(near) => format!("unknown field, did you mean {near}?"),
                None => "unknown field".to_owned(),
            };
            report.unknown(self.at(name), message);
        }
    }
}

fn text_of(path: String, value: &Value, report: &mut Report) -> Option<String> {
    let text = value.as_str();
    if text.is_none() {
        report.error(path, expected("text", value));
    }
    text.map(str::to_owned)
}

/// What was expected and what was found, scalars with their value.
pub(super) fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    format!("expected {what}, found {found}")
}
