//! Reads typed values out of settings and gathers everything that is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use super::settings::{Origin, Setting, Settings, Value};
use super::{Mistakes, Warning};

pub(super) struct Reader<'a> {
    settings: &'a Settings,
    mistakes: Vec<String>,
    warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, mistakes: settings.mistakes.clone(), warnings: settings.warnings.clone() }
    }

    pub(super) fn finish(self) -> Result<Vec<Warning>, Mistakes> {
        if self.mistakes.is_empty() { Ok(self.warnings) } else { Err(Mistakes(self.mistakes)) }
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.settings.home.as_deref()
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    pub(super) fn mistake(&mut self, mistake: impl Into<String>) {
        self.mistakes.push(mistake.into());
    }

    /// The parsed text of a key; `None` when it is not set, empty or wrong.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Setting { value, origin } = self.settings.values.get(key)?;
        let Value::Text(text) = value else {
            self.wrong(key, origin, "expects one value, not a list or map");
            return None;
        };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        parse(text).map_err(|why| self.wrong(key, origin, &why.to_string())).ok()
    }

    /// A yes or no.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.parsed(key, |text| match text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(format!("expects a boolean value, received: {text:?}")),
        })
    }

    /// Every item that can be parsed, of a list or a text with commas.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(Setting { value, origin }) = self.settings.values.get(key) else { return Vec::new() };
        let items: Vec<&str> = match value {
            Value::Text(text) => split_outside_braces(text),
            Value::List(items) => items.iter().map(String::as_str).collect(),
            Value::Map(_) => {
                self.wrong(key, origin, "expects a list, not a map");
                return Vec::new();
            }
        };
        let mut parsed = Vec::with_capacity(items.len());
        for item in items.into_iter().map(str::trim).filter(|item| !item.is_empty()) {
            match parse(item) {
                Ok(item) => parsed.push(item),
                Err(why) => self.wrong(key, origin, &why),
            }
        }
        parsed
    }

    /// Every member that passes `check`, of a map or of texts `key=value`.
    pub(super) fn map(
        &mut self,
        key: &str,
        check: impl Fn(&str, &str) -> Result<(), String>,
    ) -> BTreeMap<String, String> {
        let Some(Setting { value, origin }) = self.settings.values.get(key) else { return BTreeMap::new() };
        let members: Vec<Result<(&str, &str), String>> = match value {
            Value::Map(members) => {
                members.iter().map(|(key, value)| Ok((key.as_str(), value.as_str()))).collect()
            }
            Value::Text(text) => text.split(',').filter(|item| !item.trim().is_empty()).map(pair).collect(),
            Value::List(items) => items.iter().map(|item| pair(item)).collect(),
        };
        let mut map = BTreeMap::new();
        for member in members {
            match member.and_then(|(key, value)| check(key, value).map(|()| (key, value))) {
                Ok((key, value)) => _ = map.insert(key.to_owned(), value.to_owned()),
                Err(why) => self.wrong(key, origin, &why),
            }
        }
        map
    }

    fn wrong(&mut self, key: &str, origin: &Origin, why: &str) {
        self.mistakes.push(format!("{key}: {why} ({origin})"));
    }
}

fn pair(text: &str) -> Result<(&str, &str), String> {
    match text.trim().split_once('=') {
        None => Err(format!("invalid format: expected 'key=value', but found no '=' in '{text}'")),
        Some(("", _)) => Err(format!("invalid format: missing key before '=' in '{text}'")),
        Some((_, value)) if value.contains('=') => {
            Err(format!("invalid format: expected 'key=value', but found multiple '=' in '{text}'"))
        }
        Some((key, value)) => Ok((key, value)),
    }
}

/// Splits at commas, but not at those of a glob's `{a,b}`.
fn split_outside_braces(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(move |character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .collect()
}
