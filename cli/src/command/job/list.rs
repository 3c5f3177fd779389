//! `bacalhau job list`

use std::process::ExitCode;

use bacalhau_protocol::api::Job;
use bacalhau_protocol::time::Timestamp;
use clap::Args;

use super::Paging;
use crate::app::Context;
use crate::client::JobListQuery;
use crate::output::{self, Column, ListOutput, Table, cell};

/// Bacalhau's own network runs jobs with this label all the time.
const ALL_BUT_CANARIES: &str = "bacalhau_canary != true";

/// Lists jobs, oldest first.
#[derive(Args, Debug)]
pub struct List {
    /// Only jobs with these labels, as in env=prod,tier!=test; "" for all
    #[arg(long, default_value = ALL_BUT_CANARIES, value_name = "SELECTOR")]
    labels: String,
    /// At most so many jobs; 0 for all
    #[arg(long, default_value_t = 10)]
    limit: u32,
    /// Only jobs of this namespace
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: ListOutput,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let page = context.client()?.jobs(&self.query()).await?;
        output::print(&self.output.render(&page.items, |wide| table(&page.items, wide))?)?;
        if !page.next_token.is_empty() {
            output::note(&self.continuation(&page.next_token));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> JobListQuery {
        JobListQuery {
            limit: self.limit,
            next_token: self.paging.next_token.clone(),
            order_by: self.paging.order_by.clone(),
            reverse: self.paging.order_reversed,
            labels: self.labels.clone(),
            namespace: self.namespace.clone(),
        }
    }

    fn continuation(&self, token: &str) -> String {
        let order = match self.paging.order_by.as_str() {
            "" => String::new(),
            field => format!(" --order-by {field}"),
        };
        let reversed = if self.paging.order_reversed { " --order-reversed" } else { "" };
        let limit = self.limit;
        // The token holds no filters.
        let labels = match self.labels.as_str() {
            ALL_BUT_CANARIES => String::new(),
            labels => format!(" --labels '{labels}'"),
        };
        let namespace = match self.namespace.as_str() {
            "" => String::new(),
            namespace => format!(" --namespace '{namespace}'"),
        };
        format!(
            "\nTo fetch more records use:\n\tbacalhau job list --limit {limit}{labels}{namespace}{order}{reversed} --next-token {token}"
        )
    }
}

fn table(jobs: &[Job], wide: bool) -> Table {
    let columns = [
        Column::limited("created", 8),
        Column::new("id"),
        Column::limited("name", 40),
        Column::new("job"),
        Column::limited("type", 8),
        Column::limited("state", 20),
    ];
    let rows = jobs.iter().map(|job| row(job, wide)).collect();
    Table::new(columns.map(|column| column.unless(wide)).to_vec(), rows)
}

fn row(job: &Job, wide: bool) -> Vec<String> {
    vec![
        cell::time(Timestamp(job.create_time), wide),
        cell::id(&job.id, wide),
        cell::id(&job.name, wide),
        job.tasks.first().map(|task| task.engine.kind.clone()).unwrap_or_default(),
        job.job_type.clone(),
        job.state.state_type.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::Look;
    use serde_json::json;

    #[test]
    fn looks_like_this() {
        let jobs: Vec<Job> = serde_json::from_value(json!([
            {"ID": "j-1a2b3c4d-0000-4000-8000-000000000001", "Name": "nightly", "Type": "batch",
             "Tasks": [{"Engine": {"Type": "docker"}}], "State": {"StateType": "Completed"},
             "CreateTime": 1_727_848_800_000_000_000_i64},
            {"ID": "j-77aa88bb-0000-4000-8000-000000000001", "Name": "j-77aa88bb-0000-4000-8000-000000000001",
             "Type": "ops", "Tasks": [], "State": {"StateType": "Running"}, "CreateTime": 1_727_848_801_000_000_000_i64}
        ]))
        .unwrap();
        let expected = concat!(
            " CREATED   ID          NAME        JOB     TYPE   STATE\n",
            " 06:00:00  j-1a2b3c4d  nightly     docker  batch  Completed\n",
            " 06:00:01  j-77aa88bb  j-77aa88bb          ops    Running\n",
        );
        assert_eq!(table(&jobs, false).render(&Look { header: true, style: false }), expected);
        assert!(table(&jobs, true).rows()[0].contains(&"2024-10-02 06:00:00".to_owned()));
    }
}
