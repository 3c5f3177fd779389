//! API objects as JSON and YAML.

use serde::Serialize;
use serde_json::Value;

/// JSON with a line break at its end.
pub fn json<T: Serialize + ?Sized>(object: &T, pretty: bool) -> anyhow::Result<String> {
    let mut text =
        if pretty { serde_json::to_string_pretty(object)? } else { serde_json::to_string(object)? };
    text.push('\n');
    Ok(text)
}

/// The JSON document re-expressed as YAML, keys in alphabetical order.
pub fn yaml<T: Serialize + ?Sized>(object: &T) -> anyhow::Result<String> {
    Ok(serde_norway::to_string(&sorted(serde_json::to_value(object)?))?)
}

/// A difference of two documents: what goes is red, what comes green.
pub fn diff(text: &str, colour: bool) -> String {
    let line = |line: &str| match (colour, line.as_bytes().first()) {
        (true, Some(b'+')) => format!("\x1b[32m{line}\x1b[0m\n"),
        (true, Some(b'-')) => format!("\x1b[31m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_sorted_at_every_depth() {
        let object = serde_json::json!({"b": {"z": 1, "a": [{"y": true, "x": null}]}, "a": "1"});
        assert_eq!(yaml(&object).unwrap(), "a: '1'\nb:\n  a:\n  - x: null\n    y: true\n  z: 1\n");
    }

    #[test]
    fn differences_are_coloured_by_their_first_character() {
        assert_eq!(diff("  a\n- b\n+ c", true), "  a\n\x1b[31m- b\x1b[0m\n\x1b[32m+ c\x1b[0m\n");
        assert_eq!(diff("- b\n", false), "- b\n");
    }

    #[test]
    fn json_is_one_line_unless_pretty() {
        let object = serde_json::json!([{"ID": "j-1"}]);
        assert_eq!(json(&object, false).unwrap(), "[{\"ID\":\"j-1\"}]\n");
        assert_eq!(json(&object, true).unwrap(), "[\n  {\n    \"ID\": \"j-1\"\n  }\n]\n");
        assert_eq!(json::<[u8]>(&[], false).unwrap(), "[]\n");
    }
}
