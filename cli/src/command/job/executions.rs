//! `bacalhau job executions`

use std::process::ExitCode;

use bacalhau_protocol::api::Execution;
use bacalhau_protocol::time::Timestamp;
use clap::Args;

use super::{Paging, Which};
use crate::app::Context;
use crate::client::ExecutionQuery;
use crate::output::{self, Column, ListOutput, Table, cell};

/// Lists the executions of a job.
#[derive(Args, Debug)]
pub struct Executions {
    #[command(flatten)]
    which: Which,
    /// At most so many executions; 0 for all
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Executions of all versions
    #[arg(long)]
    all_versions: bool,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: ListOutput,
}

impl Executions {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let page = context.client()?.executions(&self.which.job, &self.query()).await?;
        output::print(&self.output.render(&page.items, |wide| table(&page.items, wide))?)?;
        if !page.next_token.is_empty() {
            output::note_more(&page.next_token);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> ExecutionQuery {
        ExecutionQuery {
            limit: self.limit,
            next_token: self.paging.next_token.clone(),
            order_by: self.paging.order_by.clone(),
            reverse: self.paging.order_reversed,
            job_version: self.which.version,
            all_versions: self.all_versions,
            namespace: self.which.namespace.clone(),
        }
    }
}

fn table(executions: &[Execution], wide: bool) -> Table {
    let columns = [
        Column::limited("Created", 8),
        Column::limited("Modified", 8),
        Column::new("ID"),
        Column::limited("Job Version", 11),
        Column::new("Node ID"),
        Column::limited("Rev.", 4),
        Column::limited("State", 17),
        Column::limited("Desired", 10),
    ];
    let rows = executions.iter().map(|execution| row(execution, wide)).collect();
    Table::new(columns.map(|column| column.unless(wide)).to_vec(), rows)
}

fn row(execution: &Execution, wide: bool) -> Vec<String> {
    vec![
        cell::time(Timestamp(execution.create_time), wide),
        cell::time(Timestamp(execution.modify_time), wide),
        cell::id(&execution.id, wide),
        execution.job_version.to_string(),
        cell::id(&execution.node_id, wide),
        execution.revision.to_string(),
        execution.compute_state.state_type.to_string(),
        execution.desired_state.state_type.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::Look;
    use serde_json::json;

    #[test]
    fn looks_like_this() {
        let executions: Vec<Execution> = serde_json::from_value(json!([{
            "ID": "e-9f8e7d6c-0000-4000-8000-000000000001", "NodeID": "gateway-7", "JobVersion": 1, "Revision": 6,
            "ComputeState": {"StateType": 9}, "DesiredState": {"StateType": 2},
            "CreateTime": 1_727_848_800_000_000_000_i64, "ModifyTime": 1_727_848_803_000_000_000_i64
        }]))
        .unwrap();
        let expected = concat!(
            " CREATED   MODIFIED  ID          JOB VERSION  NODE ID    REV.  STATE      DESIRED\n",
            " 06:00:00  06:00:03  e-9f8e7d6c  1            gateway-7  6     Completed  Stopped\n",
        );
        assert_eq!(table(&executions, false).render(&Look { header: true, style: false }), expected);
    }
}
