//! A table as RFC 4180. (Bacalhau 1.9 escapes commas and quotes with a backslash, which no reader undoes.)

use crate::output::Table;

/// Renders every row, headings first in their own spelling.
pub fn render(table: &Table, header: bool) -> String {
    let mut text = String::new();
    if header {
        line(&mut text, table.columns().iter().map(|column| column.title));
    }
    for row in table.rows() {
        line(&mut text, row.iter().map(String::as_str));
    }
    text
}

fn line<'a>(text: &mut String, fields: impl Iterator<Item = &'a str>) {
    let fields: Vec<String> = fields.map(field).collect();
    text.push_str(&fields.join(","));
    text.push('\n');
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Column;

    #[test]
    fn headings_keep_their_spelling_and_special_characters_are_quoted() {
        let columns = vec![Column::new("Job Version"), Column::new("labels")];
        let table = Table::new(columns, vec![vec!["1".into(), "a=1, \"b\"".into()]]);
        assert_eq!(render(&table, true), "Job Version,labels\n1,\"a=1, \"\"b\"\"\"\n");
        assert_eq!(render(&table, false), "1,\"a=1, \"\"b\"\"\"\n");
    }
}
