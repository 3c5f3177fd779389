//! From a question that was asked to a table, and from that to the answer of a second question.

use std::path::Path;
use std::time::Duration;

use bacalhau_protocol::api::{Execution, NodeState};

use super::ask::{self, Asked, GRACE};
use super::gather;
use super::missing::{self, Missing};
use super::print::Table;
use super::question::{self, Setting};
use super::reduce::Local;
use crate::client::Client;
use crate::config::duration;
use crate::error::Advised;
use crate::job_file::inline::MAX_BYTES;
use crate::results::{self, Answer};
use crate::waiting::Watched;

/// What came, and who did not answer.
pub(super) async fn rows(
    client: &Client,
    asked: &Asked,
    nodes: &[NodeState],
    timeout: Duration,
    folder: &Path,
) -> anyhow::Result<(Table, Vec<Missing>)> {
    let waited = duration::format(timeout);
    let waited = (asked.watched == Watched::TimedOut).then_some(waited.as_str());
    let mut missing = missing::silent(&asked.executions, waited, nodes);
    let (answers, unreachable) = published(client, asked).await?;
    missing.extend(unreachable);
    let (here, lost) = Box::pin(gather::fetch(client, &answers, folder)).await;
    missing.extend(lost);
    Ok((Table::by_node(here), missing))
}

/// The second question about all rows.
pub(super) async fn reduced(
    client: &Client,
    setting: &Setting,
    query: &str,
    table: &Table,
    local: Option<&Local>,
    folder: &Path,
) -> anyhow::Result<Table> {
    let rows = folder.join("answers.jsonl");
    table.write_lines(&rows)?;
    let place = folder.join("reduced");
    std::fs::create_dir(&place)?;
    if let Some(local) = local {
        return Ok(Table::of(Box::pin(local.ask(query, &table.columns, &rows, &place)).await?));
    }
    if std::fs::metadata(&rows)?.len() > MAX_BYTES as u64 {
        let hint = "install `duckdb` on this machine, for example with `pip install duckdb-cli`, or ask the nodes for less";
        let message = format!(
            "the answers have more than {MAX_BYTES} bytes, too many to send them to a node for --reduce"
        );
        return Err(Advised::new(message, hint).into());
    }
    let job = question::once_more(setting, query, &table.columns, &std::fs::read(&rows)?)?;
    let id = ask::submit(client, &job).await?;
    let asked = Box::pin(ask::wait(client, &id, Duration::from_secs(setting.timeout_secs) + GRACE)).await?;
    let (answers, mut missing) = published(client, &asked).await?;
    let (mut here, lost) = Box::pin(gather::fetch(client, &answers, &place)).await;
    missing.extend(lost);
    match here.pop() {
        Some(answer) => Ok(Table::of(answer)),
        None => {
            missing.extend(missing::silent(&asked.executions, None, &[]));
            let mut reasons = missing::report(&missing);
            if reasons.is_empty() {
                reasons.push(asked.job.state.message.clone());
            }
            Err(Advised::new(
                format!("the query of --reduce was not answered: {}", reasons.join("\n")),
                "it is asked about the table answers, whose first column is node",
            )
            .into())
        }
    }
}

/// The answers that can be fetched, and the nodes whose answers cannot.
async fn published(client: &Client, asked: &Asked) -> anyhow::Result<(Vec<Answer>, Vec<Missing>)> {
    let published = client.results(&asked.job.id, "").await?.items;
    let answered: Vec<Execution> =
        asked.executions.iter().filter(|execution| missing::has_answered(execution)).cloned().collect();
    let (mut answers, _) = results::answers(&published, &answered);
    // Results of programs that failed find no execution here.
    answers.retain(|answer| !answer.node_id.is_empty());
    let is_there = |execution: &Execution| answers.iter().any(|answer| answer.execution_id == execution.id);
    let lost = answered.iter().filter(|execution| !is_there(execution)).map(|execution| {
        Missing::new(&execution.node_id, "its answer lies where this client cannot fetch it".into())
    });
    let lost = lost.collect();
    Ok((answers, lost))
}
