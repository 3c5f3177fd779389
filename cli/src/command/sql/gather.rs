//! Brings the answers home and looks at them before they count. What is kept in memory is one row.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream};

use super::merge::{self, Column, Described, Row};
use super::missing::Missing;
use super::question::OUTPUTS_NAME;
use crate::archive::{self, Limits};
use crate::client::Client;
use crate::output::meter::Meter;
use crate::results::Answer;

/// Largest row, bytes.
pub(super) const MAX_ROW_BYTES: u64 = 16 * 1024 * 1024;
/// Largest answer of a node, packed or not, bytes.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024 * 1024;
/// Most columns of an answer.
const MAX_COLUMNS: usize = 10_000;
/// Files of an answer.
const MAX_ENTRIES: u64 = 100;
/// Answers fetched at the same time.
const CONCURRENT: usize = 8;

/// What a node answered. The rows stay on disk.
#[derive(Clone, Debug)]
pub(super) struct NodeAnswer {
    /// The node's name.
    pub(super) node: String,
    /// In the order of the question.
    pub(super) columns: Vec<Described>,
    rows: PathBuf,
}

/// Fetches all answers into `folder`, sorted by node. Those that cannot be had do not keep the others away.
pub(super) async fn fetch(
    client: &Client,
    answers: &[Answer],
    folder: &Path,
) -> (Vec<NodeAnswer>, Vec<Missing>) {
    let fetched: Vec<_> = stream::iter(answers)
        .map(|answer| async move { (answer, Box::pin(fetch_one(client, answer, folder)).await) })
        .buffered(CONCURRENT)
        .collect()
        .await;
    let mut here = Vec::new();
    let mut missing = Vec::new();
    for (answer, result) in fetched {
        match result {
            Ok(answer) => here.push(answer),
            Err(error) => missing
                .push(Missing::new(&answer.node_id, format!("its answer cannot be fetched: {error:#}"))),
        }
    }
    (here, missing)
}

async fn fetch_one(client: &Client, answer: &Answer, folder: &Path) -> anyhow::Result<NodeAnswer> {
    if answer.archive.size.is_some_and(|size| size > MAX_ANSWER_BYTES) {
        bail!("it has more than {MAX_ANSWER_BYTES} bytes: ask for less, or fetch it with bacalhau job get");
    }
    let archive = folder.join(answer.file_name());
    client.download(&answer.archive, &archive, &Meter::silent()).await?;
    let place = folder.join(&answer.execution_id);
    let outputs = place.join(OUTPUTS_NAME);
    let unpack = move || -> anyhow::Result<()> {
        fs::create_dir_all(&place)?;
        let limits = Limits { total_bytes: MAX_ANSWER_BYTES, entries: MAX_ENTRIES };
        archive::unpack(
            BufReader::new(File::open(&archive)?),
            &place,
            Some(Path::new(OUTPUTS_NAME)),
            limits,
        )?;
        Ok(fs::remove_file(&archive)?)
    };
    tokio::task::spawn_blocking(unpack).await.expect("unpacking does not panic")?;
    NodeAnswer::open(&answer.node_id, &outputs).await
}

impl NodeAnswer {
    /// The answer in `folder`, once every row of it has been read.
    pub(super) async fn open(node: &str, folder: &Path) -> anyhow::Result<Self> {
        let (node, folder) = (node.to_owned(), folder.to_owned());
        let open = move || -> anyhow::Result<Self> {
            let columns = describe(&folder.join("columns.jsonl"))?;
            let answer = Self { node, columns, rows: folder.join("answer.jsonl") };
            let own = merge::columns([answer.columns.as_slice()]);
            answer.for_each(&own, |_| Ok(()))?;
            Ok(answer)
        };
        tokio::task::spawn_blocking(open).await.expect("reading does not panic")
    }

    /// Reads the rows one by one in the shape of these columns.
    pub(super) fn for_each(
        &self,
        columns: &[Column],
        mut look: impl FnMut(&Row<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        lines(&self.rows, |line| {
            let line = merge::finite(line);
            look(&merge::row(&line, &self.node, columns).context("a row is not what DuckDB writes")?)
        })
    }
}

fn describe(path: &Path) -> anyhow::Result<Vec<Described>> {
    let mut columns = Vec::new();
    lines(path, |line| {
        columns.push(serde_json::from_str(line).context("the columns are not described as DuckDB does")?);
        if columns.len() > MAX_COLUMNS {
            bail!("it has more than {MAX_COLUMNS} columns");
        }
        Ok(())
    })?;
    Ok(columns)
}

fn lines(path: &Path, mut look: impl FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().display();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no {name} in it; is the image's duckdb older than 1.3?")
        }
        Err(error) => return Err(error).with_context(|| format!("opening {name}")),
    };
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    loop {
        line.clear();
        let length = (&mut reader).take(MAX_ROW_BYTES + 1).read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
        if length as u64 > MAX_ROW_BYTES {
            bail!("a row has more than {MAX_ROW_BYTES} bytes: choose fewer columns");
        }
        let line = line.trim_end();
        if !line.is_empty() {
            look(line)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(columns: &str, rows: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("columns.jsonl"), columns).unwrap();
        fs::write(folder.path().join("answer.jsonl"), rows).unwrap();
        folder
    }

    const A: &str = r#"{"name":"a","type":"INTEGER"}"#;

    #[tokio::test]
    async fn rows_come_one_by_one() {
        let folder = place(A, b"{\"a\":1}\n{\"a\":NaN}\n");
        let answer = NodeAnswer::open("edge", folder.path()).await.unwrap();
        let columns = merge::with_node(merge::columns([answer.columns.as_slice()]));
        let mut rows = Vec::new();
        answer
            .for_each(&columns, |row| {
                rows.push(row.join(","));
                Ok(())
            })
            .unwrap();
        assert_eq!(rows, ["\"edge\",1", "\"edge\",\"NaN\""]);
    }

    #[tokio::test]
    async fn what_no_duckdb_wrote_is_refused() {
        let long =
            [b"{\"a\":\"".to_vec(), vec![b'x'; usize::try_from(MAX_ROW_BYTES).unwrap()], b"\"}".to_vec()]
                .concat();
        for (columns, rows, part) in [
            (A, &b"hello\n"[..], "not what DuckDB writes"),
            (A, b"{\"a\":\xff}\n", "UTF-8"),
            (A, b"[1]\n", "not what DuckDB writes"),
            ("x", b"", "not described"),
            (A, &long, "fewer columns"),
        ] {
            let folder = place(columns, rows);
            let error = NodeAnswer::open("edge", folder.path()).await.unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
        let empty = tempfile::tempdir().unwrap();
        let error = NodeAnswer::open("edge", empty.path()).await.unwrap_err().to_string();
        assert!(error.contains("no columns.jsonl"), "{error}");
    }
}
