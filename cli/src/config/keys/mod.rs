//! Every configuration key: its name, type, default and what it is for (config.md section 2).

mod form;
#[cfg(test)]
mod page;
mod table;

use bacalhau_protocol::spec::closest;

pub use form::Form;
pub use table::KEYS;

/// One configuration key.
#[derive(Debug)]
pub struct Key {
    /// Dotted path, in the spelling shown to people; compared without regard to case.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// As it would be written after `=`; empty when there is none.
    pub default: &'static str,
    /// What it changes, in a few words.
    pub about: &'static str,
    /// Why setting it changes nothing here, of keys that other versions know. Setting one is worth a note.
    pub idle: Option<&'static str>,
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text of this form, or none.
    Form(Form),
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// `true` or `false`, and the other spellings of Go.
    Bool,
    /// A whole number.
    Integer,
    /// A whole number from 0 on.
    Count,
    /// From 0 to 65535.
    Port,
    /// A Go duration.
    Duration,
    /// Texts; separated by commas where they stand on one line.
    List,
    /// Names and texts; `a=1,b=2` on one line.
    Map,
    /// Only a file can hold it.
    Structure,
}

/// The key of this name, in any case.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// Whether some key lies below this section.
pub fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.name.get(..path.len()).is_some_and(|start| start.eq_ignore_ascii_case(path))
            && key.name[path.len()..].starts_with('.')
    })
}

/// The key somebody may have meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    closest(name, &names)
}

/// The environment variable of a key: `API.Port` is `BACALHAU_API_PORT`.
pub fn variable(key: &Key) -> String {
    format!("BACALHAU_{}", key.name.replace('.', "_").to_ascii_uppercase())
}

/// The key that an environment variable is spelled after.
pub fn find_by_variable(variable: &str) -> Option<&'static Key> {
    let path = variable.strip_prefix("BACALHAU_")?;
    KEYS.iter().find(|key| key.name.replace('.', "_").eq_ignore_ascii_case(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::Value;

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            Value::parse(key.kind, key.default).unwrap_or_else(|error| panic!("{}: {error}", key.name));
        }
    }

    #[test]
    fn keys_are_sorted_and_unique() {
        assert!(KEYS.windows(2).all(|pair| pair[0].name.to_lowercase() < pair[1].name.to_lowercase()));
    }

    #[test]
    fn names_are_found_in_any_case_and_by_variable() {
        assert_eq!(find("api.port").map(|key| key.name), Some("API.Port"));
        for key in KEYS {
            assert_eq!(find_by_variable(&variable(key)).map(|found| found.name), Some(key.name));
        }
        assert!(find_by_variable("BACALHAU_API_KEY").is_none());
        assert!(is_section("jobdefaults.ops") && !is_section("API.Port") && !is_section("AP"));
        assert_eq!(nearest("API.Prot"), Some("API.Port"));
    }
}
