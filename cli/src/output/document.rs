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

/// The JSON document re-expressed as YAML, keys in alphabetical order. What older readers of YAML take for a date or a
/// number to the base of sixty is quoted.
pub fn yaml<T: Serialize + ?Sized>(object: &T) -> anyhow::Result<String> {
    let document = sorted(serde_json::to_value(object)?);
    let mut marked = document.clone();
    let count = mark(&mut marked);
    let text = serde_norway::to_string(&marked)?;
    // Only a document that holds the mark itself has more of it; it stays as the writer of YAML has it.
    if text.matches(WRITTEN_MARK).count() == count {
        Ok(text.replace(WRITTEN_MARK, "\""))
    } else {
        Ok(serde_norway::to_string(&document)?)
    }
}

/// In front of a text it has the writer of YAML quote it, which knows only the dates and numbers of YAML 1.2.
const MARK: char = '\u{1}';
/// The mark as it is written, with the quote before it.
const WRITTEN_MARK: &str = "\"\\x01";

/// Marks what is to be quoted, and counts it.
fn mark(value: &mut Value) -> usize {
    match value {
        Value::String(text) if is_ambiguous(text) => {
            text.insert(0, MARK);
            1
        }
        Value::Array(items) => items.iter_mut().map(mark).sum(),
        Value::Object(entries) => entries.values_mut().map(mark).sum(),
        _ => 0,
    }
}

/// Dates, times, `22:30` and `1_000` of YAML 1.1, and some more that look like them.
fn is_ambiguous(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.contains(['-', ':', '_'])
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b"-:._+TtZz ".contains(&byte))
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
    fn yaml_quotes_what_older_readers_take_for_a_date_or_a_number() {
        for text in ["2024-10-01T08:00:00.123Z", "2024-10-01", "22:30", "1_000", "2024-10-01 08:00:00 +02:00"]
        {
            assert_eq!(yaml(&serde_json::json!({"a": [text]})).unwrap(), format!("a:\n- \"{text}\"\n"));
        }
        for text in ["ubuntu:24.04", "10.0.0.4:4222/x", "v1.5.0", "1.5.0"] {
            assert_eq!(yaml(&text).unwrap(), format!("{text}\n"));
        }
        let odd = serde_json::json!(["\u{1}x", "2024-10-01"]);
        assert_eq!(serde_norway::from_str::<Value>(&yaml(&odd).unwrap()).unwrap(), odd);
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
