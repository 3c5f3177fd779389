//! `bacalhau job history`

use std::process::ExitCode;

use bacalhau_protocol::api::{Execution, HistoryItem, HistoryType};
use clap::{Args, ValueEnum};

use super::Which;
use crate::app::Context;
use crate::client::HistoryQuery;
use crate::output::{self, Column, ListOutput, Table, cell};

/// Shows what happened to a job, oldest first.
#[derive(Args, Debug)]
pub struct History {
    #[command(flatten)]
    which: Which,
    /// Events of the job, of its executions, or both
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    event_type: EventType,
    /// Only events of this execution
    #[arg(long, default_value = "", hide_default_value = true)]
    execution_id: String,
    /// Only events of executions on this node, or on nodes whose ids begin like this
    #[arg(long, default_value = "", hide_default_value = true)]
    node_id: String,
    /// Events of all versions
    #[arg(long)]
    all_versions: bool,
    /// At most so many events; 0 for as many as the server gives
    #[arg(long, default_value_t)]
    limit: u32,
    /// Where the page before ended
    #[arg(long, default_value = "", hide_default_value = true)]
    next_token: String,
    /// Field to sort by; there is only time
    #[arg(long, value_parser = ["time", "created_at"], hide = true)]
    order_by: Option<String>,
    /// Newest first
    #[arg(long, alias = "reverse")]
    order_reversed: bool,
    #[command(flatten)]
    output: ListOutput,
}

/// Events of a page when nothing else is asked for.
const DEFAULT_LIMIT: usize = 100;

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum EventType {
    #[default]
    All,
    Job,
    Execution,
}

impl History {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let client = context.client()?;
        let most = if self.limit == 0 { DEFAULT_LIMIT } else { self.limit as usize };
        // The server has the oldest first, so that the newest are known when all are.
        let asked = if self.order_reversed { usize::MAX } else { most };
        let mut page = client.whole_history(&self.which.job, self.query(), asked).await?;
        if !self.node_id.is_empty() {
            let executions = client.all_executions(&self.which.job, &self.which.namespace).await?;
            page.items.retain(|item| is_on_node(item, &self.node_id, &executions));
        }
        if self.order_reversed {
            page.items.reverse();
            page.items.truncate(most);
        }
        output::print(&self.output.render(&page.items, |wide| table(&page.items, wide))?)?;
        if !page.next_token.is_empty() {
            output::note_more(&page.next_token);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> HistoryQuery {
        let event_type = match self.event_type {
            EventType::All => "all",
            EventType::Job => "job",
            EventType::Execution => "execution",
        };
        HistoryQuery {
            limit: 0,
            next_token: self.next_token.clone(),
            event_type: event_type.to_owned(),
            execution_id: self.execution_id.clone(),
            job_version: self.which.version,
            all_versions: self.all_versions,
            namespace: self.which.namespace.clone(),
            wait_secs: 0,
        }
    }
}

fn is_on_node(item: &HistoryItem, node: &str, executions: &[Execution]) -> bool {
    let execution = executions.iter().find(|execution| execution.id == item.execution_id);
    execution.is_some_and(|execution| execution.node_id.starts_with(node))
}

fn table(items: &[HistoryItem], wide: bool) -> Table {
    let columns = [
        Column::new("Time"),
        Column::new("Level"),
        Column::new("Job Version"),
        Column::new("Exec. ID"),
        Column::limited("Topic", 15),
        Column::limited("Event", 90),
    ];
    let rows = items.iter().map(|item| row(item, wide)).collect();
    Table::new(columns.map(|column| column.unless(wide)).to_vec(), rows)
}

fn row(item: &HistoryItem, wide: bool) -> Vec<String> {
    let level = match item.history_type {
        HistoryType::JobLevel => "JobLevel",
        HistoryType::ExecutionLevel => "ExecutionLevel",
        HistoryType::Undefined => "Undefined",
    };
    vec![
        cell::time(item.time, true),
        level.to_owned(),
        item.job_version.to_string(),
        cell::id(&item.execution_id, wide),
        item.event.topic.clone(),
        cell::event(&item.event),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::Look;
    use serde_json::json;

    #[test]
    fn errors_and_hints_are_marked() {
        let items: Vec<HistoryItem> = serde_json::from_value(json!([{
            "Type": "ExecutionLevel", "JobVersion": 1, "ExecutionID": "e-9f8e7d6c-0000-4000-8000-000000000001",
            "Time": "2024-10-02T06:00:00.5Z",
            "Event": {"Topic": "Exec Timeout", "Message": "Execution timed out.", "Details": {"IsError": "true", "Hint": "Wait longer"}}
        }]))
        .unwrap();
        let expected = concat!(
            " TIME                 LEVEL           JOB VERSION  EXEC. ID    TOPIC         EVENT\n",
            " 2024-10-02 06:00:00  ExecutionLevel  1            e-9f8e7d6c  Exec Timeout  Error: Execution timed out.\n",
            "                                                                             Hint: Wait longer\n",
        );
        assert_eq!(table(&items, false).render(&Look { header: true, style: false }), expected);
    }
}
