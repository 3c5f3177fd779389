//! The table for people and for programs, written row by row.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;

use super::gather::NodeAnswer;
use super::merge::{self, Column, Row};

/// Rows of many answers under common columns.
pub(super) struct Table {
    /// In order.
    pub(super) columns: Vec<Column>,
    /// In order.
    pub(super) answers: Vec<NodeAnswer>,
}

/// Between two columns.
const GAP: &str = "  ";
/// What is missing, for people.
const NULL: &str = "NULL";

impl Table {
    /// The rows of all answers behind a column that names their node.
    pub(super) fn by_node(answers: Vec<NodeAnswer>) -> Self {
        let columns = merge::columns(answers.iter().map(|answer| answer.columns.as_slice()));
        Self { columns: merge::with_node(columns), answers }
    }

    /// One answer as it is.
    pub(super) fn of(answer: NodeAnswer) -> Self {
        Self { columns: merge::columns([answer.columns.as_slice()]), answers: vec![answer] }
    }

    /// Columns with blanks between them, as wide as their widest cell: every row is read twice.
    pub(super) fn people(&self, out: &mut impl Write, has_colour: bool) -> anyhow::Result<()> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.name.chars().count()).collect();
        self.rows(|row| {
            for (width, value) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell(value).chars().count());
            }
            Ok(())
        })?;
        let line = |cells: &[Cow<'_, str>]| {
            let cells = self.columns.iter().zip(cells).zip(&widths).map(|((column, cell), width)| {
                if column.kind.is_number() { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        let heading = line(&self.columns.iter().map(|column| printable(&column.name)).collect::<Vec<_>>());
        if has_colour {
            writeln!(out, "\x1b[1;32m{heading}\x1b[0m")?;
        } else {
            writeln!(out, "{heading}")?;
        }
        self.rows(|row| {
            Ok(writeln!(out, "{}", line(&row.iter().map(|value| cell(value)).collect::<Vec<_>>()))?)
        })?;
        Ok(out.flush()?)
    }

    /// RFC 4180; what is missing is empty, an empty text has quotes.
    pub(super) fn csv(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let heading: Vec<String> = self.columns.iter().map(|column| field(Some(&column.name))).collect();
        writeln!(out, "{}", heading.join(","))?;
        self.rows(|row| {
            let fields: Vec<String> = row.iter().map(|value| field(merge::plain(value).as_deref())).collect();
            Ok(writeln!(out, "{}", fields.join(","))?)
        })?;
        Ok(out.flush()?)
    }

    /// An array of objects, one a line.
    pub(super) fn json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut before = "[\n";
        self.objects(|object| {
            write!(out, "{before}{object}")?;
            before = ",\n";
            Ok(())
        })?;
        writeln!(out, "{}", if before == "[\n" { "[]" } else { "\n]" })?;
        Ok(out.flush()?)
    }

    /// One object a line, into a file.
    pub(super) fn write_lines(&self, path: &Path) -> anyhow::Result<()> {
        let file = std::fs::File::create(path).with_context(|| format!("writing {}", path.display()))?;
        let mut out = io::BufWriter::new(file);
        self.objects(|object| Ok(writeln!(out, "{object}")?))?;
        Ok(out.flush()?)
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> anyhow::Result<u64> {
        let mut count = 0;
        self.rows(|_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    fn objects(&self, mut look: impl FnMut(String) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let names: Vec<String> = self.columns.iter().map(|column| merge::quoted(&column.name)).collect();
        self.rows(|row| {
            let pairs = names.iter().zip(row).map(|(name, value)| format!("{name}:{value}"));
            look(format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")))
        })
    }

    fn rows(&self, mut look: impl FnMut(&Row<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.answers.iter().try_for_each(|answer| answer.for_each(&self.columns, &mut look))
    }
}

fn cell(value: &str) -> Cow<'_, str> {
    match merge::plain(value) {
        None => Cow::Borrowed(NULL),
        Some(Cow::Borrowed(text)) => printable(text),
        Some(Cow::Owned(text)) => Cow::Owned(printable(&text).into_owned()),
    }
}

/// A device cannot send escape sequences to the terminal, and a row stays on its line.
fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c {
        '\t' => ' ',
        '\n' => '⏎',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    Cow::Owned(text.chars().map(shown).collect())
}

fn field(text: Option<&str>) -> String {
    match text {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn table(folder: &Path) -> Table {
        let mut answers = Vec::new();
        for (node, columns, rows) in [
            (
                "edge-1",
                r#"{"name":"unit","type":"VARCHAR"} {"name":"n","type":"INTEGER"}"#,
                r#"{"unit":"ssh, \"d\"","n":12}"#,
            ),
            (
                "edge-22",
                r#"{"name":"unit","type":"VARCHAR"} {"name":"n","type":"BIGINT"}"#,
                "{\"unit\":\"\",\"n\":null}\n{\"unit\":\"a\\u001b[2J\\nb\",\"n\":5}",
            ),
            ("empty", r#"{"name":"unit","type":"VARCHAR"}"#, ""),
        ] {
            let place = folder.join(node);
            std::fs::create_dir(&place).unwrap();
            std::fs::write(place.join("columns.jsonl"), columns.replace("} {", "}\n{")).unwrap();
            std::fs::write(place.join("answer.jsonl"), rows).unwrap();
            answers.push(NodeAnswer::open(node, &place).await.unwrap());
        }
        Table::by_node(answers)
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn looks_like_this() {
        let folder = tempfile::tempdir().unwrap();
        let table = table(folder.path()).await;
        let people = concat!(
            "node     unit         n\n",
            "edge-1   ssh, \"d\"    12\n",
            "edge-22            NULL\n",
            "edge-22  a\u{fffd}[2J⏎b      5\n",
        );
        assert_eq!(text(|out| table.people(out, false)), people);
        let csv = "node,unit,n\nedge-1,\"ssh, \"\"d\"\"\",12\nedge-22,\"\",\nedge-22,\"a\u{1b}[2J\nb\",5\n";
        assert_eq!(text(|out| table.csv(out)), csv);
        let json = concat!(
            "[\n",
            r#"{"node":"edge-1","unit":"ssh, \"d\"","n":12},"#,
            "\n",
            r#"{"node":"edge-22","unit":"","n":null},"#,
            "\n",
            r#"{"node":"edge-22","unit":"a\u001b[2J\nb","n":5}"#,
            "\n]\n",
        );
        assert_eq!(text(|out| table.json(out)), json);
        assert_eq!(table.count().unwrap(), 3);
    }

    #[test]
    fn nothing_is_an_empty_table() {
        let table = Table::by_node(Vec::new());
        assert_eq!(text(|out| table.people(out, false)), "node\n");
        assert_eq!(text(|out| table.csv(out)), "node\n");
        assert_eq!(text(|out| table.json(out)), "[]\n");
    }
}
