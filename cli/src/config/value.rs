//! Values of configuration keys, read from one line of text or from a file.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::duration;
use crate::config::keys::Kind;

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Text`], [`Kind::Form`] and, in lower case, [`Kind::Choice`].
    Text(String),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Integer`], [`Kind::Count`] and [`Kind::Port`].
    Integer(i64),
    /// Of [`Kind::Duration`].
    Duration(Duration),
    /// Of [`Kind::List`].
    List(Vec<String>),
    /// Of [`Kind::Map`].
    Map(BTreeMap<String, String>),
    /// Of [`Kind::Structure`], as it stood in the file.
    Structure(serde_json::Value),
}

impl Value {
    /// Reads what stands after `Key=`, or in an environment variable. The error says what was expected.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        match kind {
            Kind::Text => Ok(Self::Text(text.into())),
            Kind::Form(form) if !text.is_empty() => form.check(text).map(|()| Self::Text(text.into())),
            Kind::Form(_) => Ok(Self::Text(String::new())),
            Kind::Choice(words) => choice(words, text),
            Kind::Bool => parse_bool(text).map(Self::Bool).ok_or_else(|| expected("a boolean value", text)),
            Kind::Integer => {
                integer(text, i64::MIN..=i64::MAX).ok_or_else(|| expected("an integer value", text))
            }
            Kind::Count => {
                integer(text, 0..=i64::MAX).ok_or_else(|| expected("a positive integer value", text))
            }
            Kind::Port => {
                integer(text, 0..=65_535).ok_or_else(|| expected("an integer value from 0 to 65535", text))
            }
            Kind::Duration => duration::parse(text)
                .map(Self::Duration)
                .ok_or_else(|| expected("a valid duration value such as 300ms, 10s or 1h30m", text)),
            Kind::List => list(text).map(Self::List),
            Kind::Map => map(text).map(Self::Map),
            Kind::Structure => Err("it can only be set in a configuration file".into()),
        }
    }

    /// Reads what stands in a file.
    pub fn from_file(kind: Kind, value: &serde_json::Value) -> Result<Self, String> {
        use serde_json::Value as Json;
        match (kind, value) {
            (Kind::Structure, other) => Ok(Self::Structure(other.clone())),
            (Kind::List, Json::Array(items)) => {
                items.iter().map(scalar).collect::<Result<_, _>>().map(Self::List)
            }
            (Kind::Map, Json::Object(entries)) => entries
                .iter()
                .map(|(name, value)| Ok((name.clone(), scalar(value)?)))
                .collect::<Result<_, String>>()
                .map(Self::Map),
            (_, other) => Self::parse(kind, &scalar(other)?),
        }
    }
}

fn integer(text: &str, range: std::ops::RangeInclusive<i64>) -> Option<Value> {
    text.parse().ok().filter(|number| range.contains(number)).map(Value::Integer)
}

/// The spellings Go takes for a boolean.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The roles that `Node.Type` of v1.4 lists: whether it schedules jobs, whether it runs them.
pub fn roles(value: &serde_json::Value) -> Result<(bool, bool), String> {
    let Value::List(roles) = Value::from_file(Kind::List, value)? else { return Ok((false, false)) };
    let mut found = (false, false);
    for role in &roles {
        match role.to_ascii_lowercase().as_str() {
            "requester" | "orchestrator" => found.0 = true,
            "compute" => found.1 = true,
            _ => return Err(expected("requester or compute", role)),
        }
    }
    Ok(found)
}

fn choice(words: &[&str], text: &str) -> Result<Value, String> {
    match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
        Some(word) => Ok(Value::Text((*word).into())),
        None => Err(expected(&format!("one of {}", words.join(", ")), text)),
    }
}

fn list(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let items: Vec<String> = split_outside_braces(text);
    match items.iter().position(String::is_empty) {
        Some(place) => Err(format!("item {} of {text:?} is empty", place + 1)),
        None => Ok(items),
    }
}

/// A glob such as `/data/{a,b}` has commas of its own.
fn split_outside_braces(text: &str) -> Vec<String> {
    let mut depth = 0_u32;
    text.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(|item| item.trim().to_owned())
    .collect()
}

fn map(text: &str) -> Result<BTreeMap<String, String>, String> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    text.split(',')
        .map(|item| match item.split_once('=') {
            Some(("", _)) => Err(format!("nothing stands before '=' in {item:?}")),
            Some((_, "")) => Err(format!("nothing stands after '=' in {item:?}")),
            Some((_, value)) if value.contains('=') => Err(format!("found more than one '=' in {item:?}")),
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(format!("expected name=value, found no '=' in {item:?}")),
        })
        .collect()
}

fn scalar(value: &serde_json::Value) -> Result<String, String> {
    match value {
        serde_json::Value::String(text) => Ok(text.clone()),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Ok(value.to_string()),
        serde_json::Value::Null => Ok(String::new()),
        _ => Err("expects a single value, not a list or a section".into()),
    }
}

fn expected(what: &str, text: &str) -> String {
    format!("expects {what}, received: {text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_at_commas_outside_of_braces() {
        let expected = vec!["/data/{a,b}/**:ro".to_owned(), "/scratch:rw".to_owned()];
        assert_eq!(Value::parse(Kind::List, "/data/{a,b}/**:ro, /scratch:rw"), Ok(Value::List(expected)));
        assert!(Value::parse(Kind::List, "a,,b").unwrap_err().contains("item 2"));
    }

    #[test]
    fn maps_name_the_item_that_is_wrong() {
        let parsed = Value::parse(Kind::Map, "zone=a,tier=edge").unwrap();
        assert_eq!(parsed, Value::Map([("zone".into(), "a".into()), ("tier".into(), "edge".into())].into()));
        for (text, part) in
            [("zone", "no '='"), ("=a", "before"), ("a=", "after"), ("a=b=c", "more than one")]
        {
            assert!(Value::parse(Kind::Map, text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn files_may_hold_numbers_where_text_is_wanted() {
        let value = serde_json::json!(2);
        assert_eq!(Value::from_file(Kind::Text, &value), Ok(Value::Text("2".into())));
        assert!(Value::from_file(Kind::Integer, &serde_json::json!(["1"])).is_err());
        assert!(Value::from_file(Kind::Integer, &serde_json::json!("abc")).unwrap_err().contains("\"abc\""));
    }

    #[test]
    fn choices_ignore_case() {
        let kind = Kind::Choice(&["anywhere", "local"]);
        assert_eq!(Value::parse(kind, "Local"), Ok(Value::Text("local".into())));
        assert!(Value::parse(kind, "near").unwrap_err().contains("anywhere, local"));
    }
}
