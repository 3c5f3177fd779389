//! Many answers become one table: columns by name, behind one that names the node.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::types::Type;

/// Name of the column in front.
pub(super) const NODE: &str = "node";

/// A column of an answer, as the device describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Described {
    /// Unique within an answer.
    pub(super) name: String,
    /// As DESCRIBE gives it.
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Unique within the table.
    pub(super) name: String,
    /// Holds what every device has in it.
    pub(super) kind: Type,
    /// Its name in the answers; `None` for the node's name.
    source: Option<String>,
}

/// One row: JSON as the device wrote it, in the order of the columns.
pub(super) type Row<'a> = Vec<Cow<'a, str>>;

/// What is missing.
pub(super) const NULL: &str = "null";

/// The columns of the answers by their names, in the order in which they first come up.
pub(super) fn columns<'a>(answers: impl IntoIterator<Item = &'a [Described]>) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for described in answers.into_iter().flatten() {
        let kind = Type::parse(&described.kind);
        match columns.iter_mut().find(|column| column.name == described.name) {
            Some(column) => column.kind = column.kind.clone().widened(kind),
            None => columns.push(Column {
                name: described.name.clone(),
                kind,
                source: Some(described.name.clone()),
            }),
        }
    }
    columns
}

/// The same with the node's name in front. A column of the answers with this name gets another one.
pub(super) fn with_node(columns: Vec<Column>) -> Vec<Column> {
    let is_taken = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let free = (1..).map(|number| format!("{NODE}_{number}")).find(|name| !is_taken(name));
    let renamed = columns.iter().cloned().map(|mut column| {
        if column.name.eq_ignore_ascii_case(NODE) {
            column.name = free.clone().expect("numbers do not end");
        }
        column
    });
    let node = Column { name: NODE.to_owned(), kind: Type::parse("VARCHAR"), source: None };
    std::iter::once(node).chain(renamed).collect()
}

/// A line of an answer as a row of the table.
pub(super) fn row<'a>(line: &'a str, node: &str, columns: &[Column]) -> serde_json::Result<Row<'a>> {
    let values: BTreeMap<String, &'a RawValue> = serde_json::from_str(line)?;
    Ok(columns
        .iter()
        .map(|column| match &column.source {
            None => Cow::Owned(quoted(node)),
            Some(name) => values
                .get(name.as_str())
                .map_or(Cow::Borrowed(NULL), |value| fitted(value.get(), &column.kind)),
        })
        .collect())
}

/// The value in a column of this type: in one of texts, everything else is written as text.
fn fitted<'a>(value: &'a str, kind: &Type) -> Cow<'a, str> {
    if kind.is_text() && value != NULL && !value.starts_with('"') {
        return Cow::Owned(quoted(value));
    }
    Cow::Borrowed(value)
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What people and CSV read: the text without quotes, everything else as it is; `None` for what is missing.
pub(super) fn plain(value: &str) -> Option<Cow<'_, str>> {
    if value == NULL {
        return None;
    }
    match value.starts_with('"').then(|| serde_json::from_str::<String>(value)) {
        Some(Ok(text)) => Some(Cow::Owned(text)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// DuckDB writes numbers that JSON does not know, as in `{"a":NaN}`. They become texts.
pub(super) fn finite(line: &str) -> Cow<'_, str> {
    let is_suspect = WORDS.iter().any(|word| line.contains(word));
    if !is_suspect || serde_json::from_str::<&RawValue>(line).is_ok() {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len() + 16);
    let mut rest = line;
    let mut in_text = false;
    while let Some(first) = rest.chars().next() {
        let taken = match (in_text, WORDS.iter().find(|word| rest.starts_with(**word))) {
            (false, Some(word)) => {
                text.push_str(&quoted(word));
                word.len()
            }
            // An escaped character is not the end of a text.
            (true, _) if first == '\\' => {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                text.push_str(&rest[..length]);
                length
            }
            _ => {
                in_text ^= first == '"';
                text.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    Cow::Owned(text)
}

/// The longest first.
const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn described(columns: &[(&str, &str)]) -> Vec<Described> {
        let one = |(name, kind): &(&str, &str)| Described { name: (*name).into(), kind: (*kind).into() };
        columns.iter().map(one).collect()
    }

    fn merged(answers: &[&[(&str, &str)]]) -> Vec<Column> {
        let answers: Vec<_> = answers.iter().map(|columns| described(columns)).collect();
        with_node(columns(answers.iter().map(Vec::as_slice)))
    }

    fn names(columns: &[Column]) -> Vec<String> {
        columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect()
    }

    #[test]
    fn columns_meet_by_name_and_are_widened() {
        let columns = merged(&[&[("unit", "VARCHAR"), ("n", "INTEGER")], &[("n", "BIGINT"), ("x", "DATE")]]);
        assert_eq!(names(&columns), ["node VARCHAR", "unit VARCHAR", "n BIGINT", "x DATE"]);
        assert_eq!(
            row(r#"{"n":5,"x":"2026-01-02"}"#, "edge \"1\"", &columns).unwrap(),
            [r#""edge \"1\"""#, "null", "5", r#""2026-01-02""#]
        );
    }

    #[test]
    fn what_becomes_text_is_written_as_text() {
        let columns = merged(&[&[("a", "INTEGER")], &[("a", "VARCHAR")]]);
        for (line, expected) in
            [(r#"{"a":5}"#, r#""5""#), (r#"{"a":"x"}"#, r#""x""#), (r#"{"a":null}"#, "null"), ("{}", "null")]
        {
            assert_eq!(row(line, "n", &columns).unwrap()[1], expected);
        }
    }

    #[test]
    fn a_column_called_node_gets_another_name() {
        let columns = merged(&[&[("Node", "VARCHAR"), ("node_1", "DATE")]]);
        assert_eq!(names(&columns), ["node VARCHAR", "node_2 VARCHAR", "node_1 DATE"]);
        assert_eq!(row(r#"{"Node":"mine"}"#, "edge", &columns).unwrap(), [r#""edge""#, r#""mine""#, "null"]);
    }

    #[test]
    fn long_numbers_keep_every_digit() {
        let columns = merged(&[&[("h", "HUGEINT")]]);
        let line = r#"{"h":123456789012345678901234567890}"#;
        assert_eq!(row(line, "n", &columns).unwrap()[1], "123456789012345678901234567890");
    }

    #[test]
    fn numbers_that_json_does_not_know_become_texts() {
        for (line, expected) in [
            (r#"{"a":NaN,"b":-Infinity,"c":[Infinity]}"#, r#"{"a":"NaN","b":"-Infinity","c":["Infinity"]}"#),
            (r#"{"a":"NaN \" Infinity","NaN":NaN}"#, r#"{"a":"NaN \" Infinity","NaN":"NaN"}"#),
            (r#"{"a":"NaN"}"#, r#"{"a":"NaN"}"#),
        ] {
            assert_eq!(finite(line), expected);
        }
    }

    #[test]
    fn plain_values() {
        assert_eq!(plain("null"), None);
        assert_eq!(plain(r#""a\"b""#).unwrap(), "a\"b");
        assert_eq!(plain("5.50").unwrap(), "5.50");
        assert_eq!(plain(r#"{"a":1}"#).unwrap(), r#"{"a":1}"#);
    }

    const KINDS: [&str; 6] = ["INTEGER", "UBIGINT", "DOUBLE", "VARCHAR", "DATE", "INTEGER[]"];

    prop_compose! {
        fn answer()(columns in proptest::collection::btree_map("[a-cN]{1,2}|node", 0..KINDS.len(), 0..5))
            -> Vec<Described>
        {
            columns.into_iter().map(|(name, kind)| Described { name, kind: KINDS[kind].to_owned() }).collect()
        }
    }

    proptest! {
        #[test]
        fn every_column_of_every_answer_has_one_place(answers in proptest::collection::vec(answer(), 0..5)) {
            let merged = with_node(columns(answers.iter().map(Vec::as_slice)));
            prop_assert_eq!(&merged[0].name, NODE);
            for column in answers.iter().flatten() {
                let here = merged.iter().filter(|merged| merged.source.as_deref() == Some(&column.name));
                let here: Vec<_> = here.collect();
                prop_assert_eq!(here.len(), 1);
                // Widened once more by what is in it, it stays as it is.
                prop_assert_eq!(&here[0].kind.clone().widened(Type::parse(&column.kind)), &here[0].kind);
            }
            let wanted: std::collections::BTreeSet<_> = answers.iter().flatten().map(|c| &c.name).collect();
            prop_assert_eq!(merged.len(), wanted.len() + 1);
        }

        #[test]
        fn the_order_of_the_answers_changes_no_type(mut answers in proptest::collection::vec(answer(), 0..5)) {
            let kinds = |answers: &[Vec<Described>]| -> BTreeMap<String, String> {
                let columns = columns(answers.iter().map(Vec::as_slice));
                columns.into_iter().map(|column| (column.name, column.kind.to_string())).collect()
            };
            let before = kinds(&answers);
            answers.reverse();
            prop_assert_eq!(before, kinds(&answers));
        }

        #[test]
        fn a_row_keeps_every_value(texts in proptest::collection::btree_map("[a-z]{1,3}", ".*", 0..5)) {
            let described: Vec<_> = texts
                .keys().map(|name| Described { name: name.clone(), kind: "VARCHAR".into() }).collect();
            let columns = with_node(columns([described.as_slice()]));
            let line = serde_json::to_string(&texts).unwrap();
            let row = row(&line, "n", &columns).unwrap();
            let found: Vec<_> = row[1..].iter().map(|value| plain(value).unwrap().into_owned()).collect();
            prop_assert_eq!(found, texts.into_values().collect::<Vec<_>>());
        }

        #[test]
        fn any_line_can_be_looked_at(line in "[{}a\"\\\\NaIn:,-é]*|.*") {
            let finite = finite(&line);
            if serde_json::from_str::<&RawValue>(&line).is_ok() {
                prop_assert_eq!(finite, line.as_str());
            }
        }
    }
}
