//! Questions about rows that are here already, for a DuckDB on this machine or on a node.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use tokio::process::Command;

use super::gather::NodeAnswer;
use super::merge::Column;
use super::missing;
use crate::error::Advised;

/// DuckDB on this machine.
pub(super) struct Local {
    search_path: OsString,
}

/// The program.
const PROGRAM: &str = "duckdb";

impl Local {
    /// If it is in one of these directories.
    pub(super) fn find(search_path: Option<&str>) -> Option<Self> {
        let search_path = OsString::from(search_path?);
        let is_there = std::env::split_paths(&search_path).any(|folder| folder.join(PROGRAM).is_file());
        is_there.then_some(Self { search_path })
    }

    /// Asks `query` about the rows, and leaves the answer in `folder`.
    pub(super) async fn ask(
        &self,
        query: &str,
        columns: &[Column],
        rows: &Path,
        folder: &Path,
    ) -> anyhow::Result<NodeAnswer> {
        self.run(&script(columns, &text(rows)?, &text(folder)?), query, folder).await?;
        NodeAnswer::open("", folder).await
    }

    /// Writes the rows as Parquet.
    pub(super) async fn parquet(&self, columns: &[Column], rows: &Path, folder: &Path) -> anyhow::Result<()> {
        let file = folder.join("answer.parquet");
        let script = format!(
            "{}\nCOPY answers TO {} (FORMAT parquet);\n",
            answers(columns, &text(rows)?),
            quoted(&text(&file)?)
        );
        self.run(&script, "", folder).await?;
        let mut file = tokio::fs::File::open(&file).await.context("opening what DuckDB wrote")?;
        tokio::io::copy(&mut file, &mut tokio::io::stdout()).await?;
        Ok(())
    }

    async fn run(&self, script: &str, query: &str, folder: &Path) -> anyhow::Result<()> {
        let file = folder.join("script.sql");
        tokio::fs::write(&file, script).await.with_context(|| format!("writing {}", file.display()))?;
        let mut command = Command::new(PROGRAM);
        command.args(["-batch", "-f"]).arg(&file).current_dir(folder).kill_on_drop(true);
        // Settings of the person who runs it are for their own questions.
        command.env("HOME", folder).env("PATH", &self.search_path).env("QUERY", query);
        let output = command.output().await.context("starting duckdb")?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Advised::new(
            format!("DuckDB on this machine: {}", missing::duckdb_message(&said)),
            "the query of --reduce is asked about the table answers, whose first column is node",
        )
        .into())
    }
}

/// Asks `QUERY` about the table `answers`, and writes the answer into `folder`.
pub(super) fn script(columns: &[Column], rows: &str, folder: &str) -> String {
    let file = |name: &str| quoted(&format!("{folder}/{name}"));
    format!(
        "{}\n\
         CREATE VIEW answer AS FROM query(getenv('QUERY'));\n\
         COPY (SELECT column_name AS name, column_type AS type FROM (DESCRIBE answer)) TO {} (FORMAT json);\n\
         COPY (FROM answer) TO {} (FORMAT json);\n",
        answers(columns, rows),
        file("columns.jsonl"),
        file("answer.jsonl"),
    )
}

/// The rows as a table with the types they had on the devices.
fn answers(columns: &[Column], rows: &str) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| {
            // Its text does not read back as the bytes it stands for.
            let kind = Some(column.kind.to_string()).filter(|kind| kind != "BLOB");
            format!("{}: {}", quoted(&column.name), quoted(kind.as_deref().unwrap_or("VARCHAR")))
        })
        .collect();
    format!(
        ".bail on\n\
         SET TimeZone = 'UTC';\n\
         SET autoinstall_known_extensions = false;\n\
         SET autoload_known_extensions = false;\n\
         CREATE VIEW answers AS FROM read_json({}, format = 'newline_delimited', maximum_object_size = {}, columns = {{{}}});",
        quoted(rows),
        super::gather::MAX_ROW_BYTES,
        columns.join(", "),
    )
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::sql::merge::{self, Described};

    #[test]
    fn names_and_types_are_quoted() {
        let described = [
            Described { name: "it's".into(), kind: "ENUM('a', 'b')".into() },
            Described { name: "b".into(), kind: "BLOB".into() },
        ];
        let script = script(&merge::columns([described.as_slice()]), "/r", "/o");
        assert!(script.contains("columns = {'it''s': 'ENUM(''a'', ''b'')', 'b': 'VARCHAR'}"), "{script}");
        assert!(script.contains("TO '/o/answer.jsonl'"), "{script}");
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(Local::find(Some(path)).is_none() && Local::find(None).is_none());
        std::fs::write(folder.path().join(PROGRAM), "").unwrap();
        assert!(Local::find(Some(path)).is_some());
    }
}
