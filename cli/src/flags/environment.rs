//! `-e/--env` and other flags of names and values, and lists of texts (cli.md 6.6).

use std::collections::BTreeMap;

use crate::flags::{csv, read};

/// Reads the values of a flag of `KEY=VALUE`. Exactly one `=` makes the rest the value, commas included; more than one and the text is a
/// CSV record of pairs. A later pair wins.
pub fn pairs(flag: &str, values: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for text in values {
        found.extend(read(flag, text, pairs_of(text))?);
    }
    Ok(found)
}

fn pairs_of(text: &str) -> Result<Vec<(String, String)>, String> {
    let fields = match text.matches('=').count() {
        1 => vec![text.to_owned()],
        _ => csv::record(text)?,
    };
    let pair = |field: String| match field.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), unquoted(value).to_owned())),
        None => Err(format!("{field} must be formatted as key=value")),
    };
    fields.into_iter().map(pair).collect()
}

/// Reads the values of a flag of texts separated by commas.
pub fn list(flag: &str, values: &[String]) -> Result<Vec<String>, String> {
    let fields =
        values.iter().map(|text| read(flag, text, csv::record(text))).collect::<Result<Vec<_>, _>>()?;
    Ok(fields.into_iter().flatten().filter(|text| !text.is_empty()).collect())
}

/// Reads the labels of a flag: `k=v`, or `k` alone for an empty value.
pub fn labels(flag: &str, values: &[String]) -> Result<BTreeMap<String, String>, String> {
    let label = |text: String| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text, String::new()),
    };
    Ok(list(flag, values)?.into_iter().map(label).collect())
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Vec<(String, String)>, String> {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        Ok(pairs("-e, --env", &values)?.into_iter().collect())
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn one_equals_sign_takes_the_rest_and_more_make_a_record() {
        assert_eq!(read(&["query=SELECT a,b FROM t"]).unwrap(), [pair("query", "SELECT a,b FROM t")]);
        assert_eq!(read(&["q=\"x y\""]).unwrap(), [pair("q", "x y")]);
        assert_eq!(
            read(&["greeting=Hello,name=World"]).unwrap(),
            [pair("greeting", "Hello"), pair("name", "World")]
        );
        assert_eq!(read(&[r#""q=a=1, b""#]).unwrap(), [pair("q", "a=1, b")]);
        assert_eq!(read(&["a=1", "a=2"]).unwrap(), [pair("a", "2")]);
        assert!(read(&["q=a=1, b"]).unwrap_err().contains("b must be formatted as key=value"));
        assert_eq!(
            read(&["x"]).unwrap_err(),
            "invalid argument \"x\" for \"-e, --env\" flag: x must be formatted as key=value"
        );
    }

    #[test]
    fn labels_may_be_bare() {
        let found = labels("-l, --labels", &["zone=a,edge".into(), "tier=1".into()]).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [pair("edge", ""), pair("tier", "1"), pair("zone", "a")]
        );
    }
}
