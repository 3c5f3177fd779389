//! `bacalhau job history`

use std::process::ExitCode;

use bacalhau_protocol::api::{HistoryItem, HistoryType};
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
    #[arg(long, value_enum, default_value_t)]
    event_type: EventType,
    /// Only events of this execution
    #[arg(long, default_value = "", hide_default_value = true)]
    execution_id: String,
    /// Events of all versions
    #[arg(long)]
    all_versions: bool,
    /// At most so many events; 0 for as many as the server gives
    #[arg(long, default_value_t)]
    limit: u32,
    /// Where the page before ended
    #[arg(long, default_value = "", hide_default_value = true)]
    next_token: String,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum EventType {
    #[default]
    All,
    Job,
    Execution,
}

impl History {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let page = context.client()?.history(&self.which.job, &self.query()).await?;
        output::print(&self.output.render(&page.items, |wide| table(&page.items, wide))?)?;
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> HistoryQuery {
        let event_type = match self.event_type {
            EventType::All => "all",
            EventType::Job => "job",
            EventType::Execution => "execution",
        };
        HistoryQuery {
            limit: self.limit,
            next_token: self.next_token.clone(),
            event_type: event_type.to_owned(),
            execution_id: self.execution_id.clone(),
            job_version: self.which.version,
            all_versions: self.all_versions,
            namespace: self.which.namespace.clone(),
        }
    }
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
