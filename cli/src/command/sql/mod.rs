//! `bacalhau sql`: one question to every device about its own files, one table as the answer.
//!
//! The question becomes an ops job with DuckDB (`question`, `over`), is waited for (`ask`), its answers are fetched
//! (`gather`) and become one table (`merge`, `types`, `print`), about which a second question may be asked (`reduce`).
//! `collect` puts these together. Who has not answered is told with the reason (`missing`, `tell`).

mod ask;
mod collect;
mod gather;
mod merge;
mod missing;
mod over;
mod print;
mod question;
mod reduce;
mod tell;
mod types;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bacalhau_protocol::model::Constraint;
use bacalhau_protocol::selector;
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::app::Context;
use crate::client::{Client, NodeListQuery};
use crate::config::duration;
use crate::error::Advised;
use crate::output::{self, document};
use over::Over;
use print::Table;
use question::{Setting, Span};
use reduce::Local;

/// Asks every device a SQL question about its own files, and shows the answers as one table.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Sql {
    /// One SELECT over the tables logs and files
    #[arg(required_unless_present = "job")]
    query: Option<String>,
    /// Files to look into, as in '/var/log/**/*.log'; quotes keep this machine's shell away from it; may be repeated
    #[arg(long, default_value = "/var/log/**", value_name = "GLOB")]
    over: Vec<String>,
    /// Only lines from this time on: 2026-11-21, 2026-11-21T10:00:00Z, or back from now as in -90s -15m -2h -7d
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    start_time: String,
    /// Only lines before this time
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    end_time: String,
    /// Nodes to ask, as in zone=a,tier!=test
    #[arg(short = 's', long, visible_alias = "constraints", default_value = "", hide_default_value = true)]
    selector: String,
    /// Image with the DuckDB command line, 1.3 or newer, as `duckdb` on its path
    #[arg(long, default_value = "duckdb/duckdb")]
    image: String,
    /// Longest wait for the answers; nodes that have not answered by then are named
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = parse_timeout)]
    timeout: Duration,
    /// CPU to set aside on each node, as in 500m or 2
    #[arg(long, default_value = "", hide_default_value = true)]
    cpu: String,
    /// Memory to set aside on each node, as in 256Mb; DuckDB keeps within it
    #[arg(long, default_value = "", hide_default_value = true)]
    memory: String,
    /// Form of the answer; parquet needs duckdb on this machine
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    /// A second SELECT, over the table `answers` that all rows together make. Runs in duckdb on this machine; where that is
    /// not installed, on one of the nodes, which is sent the rows (up to 7 MB)
    #[arg(long, value_name = "QUERY")]
    reduce: Option<String>,
    /// Where the job runs
    #[arg(long, default_value = "default")]
    namespace: String,
    /// Print the job instead of submitting it
    #[arg(long)]
    dry_run: bool,
    /// Ask, print the id of the job and do not wait for the answers: --job fetches them later
    #[arg(long)]
    id_only: bool,
    /// Wait for the answers
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_name = "BOOL")]
    wait: bool,
    /// The answers to a question that was asked before, by the id of its job
    #[arg(long, value_name = "JOB", conflicts_with_all = ["query", "dry_run", "id_only"])]
    job: Option<String>,
}

const EXAMPLES: &str = "\
DuckDB runs on each matching node, in a container without a network that can only read what --over names. The rows come
home under common columns, behind a column `node`. Tables of a question:
  logs   one row per line of the files: time, level, host, unit, pid, message, format, file, line; of access logs also
         client, method, path, status, bytes; of JSON lines also fields
  files  what was read: file, size, modified
and what DuckDB reads below /host: read_csv('/host/srv/data/*.csv') with --over '/srv/data/*.csv'.

Examples:
  bacalhau sql \"SELECT unit, count(*) AS n FROM logs WHERE level = 'error' GROUP BY 1 ORDER BY n DESC LIMIT 5\"
  bacalhau sql \"SELECT time, message FROM logs WHERE message LIKE '%OOM%'\" --start-time=-1h --selector zone=a
  bacalhau sql \"SELECT status, count(*) AS n FROM logs GROUP BY 1\" --over '/var/log/nginx/access.log*' \\
      --reduce \"SELECT status, sum(n) AS n FROM answers GROUP BY 1 ORDER BY 1\" --output csv

Devices need Docker, the image, and leave to read the files: -c Compute.AllowListedLocalPaths=/var/log:ro
Times in log files without a zone count as UTC. With a bound, lines without a time are left out.
The exit code is 1 when a matching node has not answered; the rows of the others are printed all the same.";

/// Forms of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Columns for people.
    #[default]
    Table,
    /// RFC 4180, what is missing is empty.
    Csv,
    /// An array of objects.
    Json,
    /// A file, for standard output to be sent to.
    Parquet,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    duration::parse(text)
        .filter(|timeout| *timeout >= Duration::from_secs(1))
        .ok_or_else(|| "expected a duration of a second or more, such as 30s or 5m".into())
}

impl Sql {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let local = Local::find(context.environment.get("PATH").map(String::as_str));
        if self.output == Form::Parquet {
            check_parquet(local.is_some(), io::stdout().is_terminal())?;
        }
        let constraints = selector::parse(&self.selector)?;
        let setting = self.setting(&constraints);
        let client = context.client()?;
        let id = match &self.job {
            Some(job) => client.job(job, 0, &self.namespace).await?.job.id,
            None => {
                let job = self.question(&setting)?;
                if self.dry_run {
                    output::print(&document::yaml(&job)?)?;
                    return Ok(ExitCode::SUCCESS);
                }
                ask::submit(&client, &job).await?
            }
        };
        if self.id_only || !self.wait {
            output::print(&format!("{id}\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let asked = Box::pin(ask::wait(&client, &id, self.timeout + ask::GRACE)).await?;
        let folder = tempfile::tempdir().context("making a temporary directory")?;
        let nodes = client.nodes(&NodeListQuery::default()).await?.nodes;
        let (table, mut missing) =
            Box::pin(collect::rows(&client, &asked, &nodes, self.timeout, folder.path())).await?;
        // Of a question asked before it is not known whom it was meant for.
        if self.job.is_none() {
            missing.extend(missing::not_asked(&nodes, &constraints, &asked.executions));
        }
        tell::tell(&asked, &missing);
        let shown = Box::pin(self.show(&client, &setting, table, local, folder.path())).await;
        folder.close().context("removing the temporary directory")?;
        shown?;
        let has_all = missing.is_empty() && !asked.executions.is_empty();
        Ok(if has_all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn setting(&self, constraints: &[Constraint]) -> Setting {
        Setting {
            image: self.image.clone(),
            constraints: constraints.iter().map(Into::into).collect(),
            namespace: self.namespace.clone(),
            timeout_secs: self.timeout.as_secs(),
            cpu: self.cpu.clone(),
            memory: self.memory.clone(),
        }
    }

    fn question(&self, setting: &Setting) -> anyhow::Result<Value> {
        let query = self.query.as_deref().unwrap_or_default();
        if query.trim().is_empty() {
            bail!("the question is empty: give a SELECT, as in \"SELECT count(*) FROM logs\"");
        }
        let over = Over::parse(&self.over).map_err(anyhow::Error::msg)?;
        let span = Span { start: self.start_time.clone(), end: self.end_time.clone() };
        Ok(question::everywhere(setting, query, &over, &span)?)
    }

    async fn show(
        &self,
        client: &Client,
        setting: &Setting,
        mut table: Table,
        local: Option<Local>,
        folder: &Path,
    ) -> anyhow::Result<()> {
        // Nobody answered, which has been told; an empty table would look like an answer.
        if table.answers.is_empty() {
            return Ok(());
        }
        if let Some(query) = &self.reduce {
            table =
                Box::pin(collect::reduced(client, setting, query, &table, local.as_ref(), folder)).await?;
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        match (self.output, local) {
            (Form::Table, _) => {
                table.people(&mut out, output::stdout_has_colour())?;
                if table.count()? == 0 {
                    output::note("No rows: every node that answered found nothing.");
                }
                Ok(())
            }
            (Form::Csv, _) => table.csv(&mut out),
            (Form::Json, _) => table.json(&mut out),
            (Form::Parquet, None) => check_parquet(false, false),
            (Form::Parquet, Some(local)) => {
                drop(out);
                let rows = folder.join("rows.jsonl");
                table.write_lines(&rows)?;
                Box::pin(local.parquet(&table.columns, &rows, folder)).await
            }
        }
    }
}

fn check_parquet(has_duckdb: bool, is_terminal: bool) -> anyhow::Result<()> {
    if !has_duckdb {
        let hint = "install it, for example with `pip install duckdb-cli`, or use --output csv or json";
        return Err(Advised::new("--output parquet needs `duckdb` on this machine's PATH", hint).into());
    }
    if is_terminal {
        return Err(Advised::new("Parquet is nothing for a terminal", "add > answers.parquet").into());
    }
    Ok(())
}
