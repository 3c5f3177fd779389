//! Changes keys in the text of a configuration file.

use serde_json::{Map, Value as Json};

use crate::config::document;
use crate::config::keys::Key;
use crate::config::value::Value;

/// The text with these keys set; everything else in it stays, except comments.
pub fn set(text: &str, entries: &[(&Key, Value)]) -> Result<String, String> {
    let mut root = match serde_norway::from_str::<Json>(text) {
        Ok(Json::Object(root)) => root,
        Ok(Json::Null) => Map::new(),
        Ok(_) => return Err("it holds no keys and values at the top level".into()),
        Err(error) => return Err(error.to_string()),
    };
    for (key, value) in entries {
        set_in(&mut root, key.name, document::json(value))
            .map_err(|section| format!("{section} is no section, so {} cannot be set in it", key.name))?;
    }
    serde_norway::to_string(&Json::Object(root)).map_err(|error| error.to_string())
}

/// Whether a rewrite would lose something.
pub fn has_comments(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with('#') || line.contains(" #"))
}

/// Sections and keys are found however they are spelled; new ones are spelled as documented.
fn set_in(section: &mut Map<String, Json>, path: &str, value: Json) -> Result<(), String> {
    if let Some(name) = section.keys().find(|name| name.eq_ignore_ascii_case(path)).cloned() {
        section.insert(name, value);
        return Ok(());
    }
    let below = |name: &&String| {
        let is_start = path.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        is_start && path[name.len()..].starts_with('.')
    };
    let (name, rest) = match section.keys().find(below) {
        Some(name) => (name.clone(), path[name.len() + 1..].to_owned()),
        None => match path.split_once('.') {
            Some((name, rest)) => (name.to_owned(), rest.to_owned()),
            None => {
                section.insert(path.to_owned(), value);
                return Ok(());
            }
        },
    };
    let inner = section.entry(name.clone()).or_insert(Json::Null);
    if inner.is_null() {
        *inner = Json::Object(Map::new());
    }
    match inner {
        Json::Object(inner) => set_in(inner, &rest, value),
        _ => Err(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    fn changed(text: &str, name: &str, value: &str) -> Result<String, String> {
        let key = keys::find(name).unwrap();
        set(text, &[(key, Value::parse(key.kind, value).unwrap())])
    }

    #[test]
    fn keys_are_added_and_replaced_however_they_are_spelled() {
        assert_eq!(changed("", "API.Port", "9").unwrap(), "API:\n  Port: 9\n");
        assert_eq!(
            changed("api:\n  port: 1\n  host: h\n", "API.Port", "9").unwrap(),
            "api:\n  port: 9\n  host: h\n"
        );
        assert_eq!(changed("api.port: 1\n", "API.Port", "9").unwrap(), "api.port: 9\n");
        assert_eq!(changed("api:\nx: 1\n", "API.Host", "h").unwrap(), "api:\n  Host: h\nx: 1\n");
        assert_eq!(changed("", "Labels", "a=b,c=d").unwrap(), "Labels:\n  a: b\n  c: d\n");
        let duration = changed("", "JobDefaults.Ops.Task.Timeouts.TotalTimeout", "90m").unwrap();
        assert!(duration.ends_with("TotalTimeout: 1h30m0s\n"), "{duration}");
    }

    #[test]
    fn what_cannot_be_changed_is_left_alone() {
        assert_eq!(
            changed("API: 5", "API.Port", "9").unwrap_err(),
            "API is no section, so API.Port cannot be set in it"
        );
        assert!(changed("- a", "API.Port", "9").is_err());
        assert!(changed("a: [", "API.Port", "9").is_err());
        assert!(has_comments("a: 1 # why\n") && has_comments("# x\n") && !has_comments("a: x#y\n"));
    }
}
