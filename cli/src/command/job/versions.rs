//! `bacalhau job versions`

use std::process::ExitCode;

use bacalhau_protocol::api::Job;
use bacalhau_protocol::time::Timestamp;
use clap::Args;

use crate::app::Context;
use crate::output::{self, Column, ListOutput, Table, cell};

/// Lists the versions of a job, oldest first.
#[derive(Args, Debug)]
pub struct Versions {
    /// Name of the job, its id, or the unique beginning of its id
    job: String,
    /// Where the name is looked up
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
    /// At most so many of the latest versions; 0 for all
    #[arg(long, default_value_t)]
    limit: usize,
    /// Newest first
    #[arg(long)]
    order_reversed: bool,
    #[command(flatten)]
    output: ListOutput,
}

impl Versions {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut versions = context.client()?.versions(&self.job, &self.namespace).await?;
        if self.limit > 0 {
            versions.drain(..versions.len().saturating_sub(self.limit));
        }
        if self.order_reversed {
            versions.reverse();
        }
        output::print(&self.output.render(&versions, |_| table(&versions))?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(versions: &[Job]) -> Table {
    let columns = vec![Column::new("Created At"), Column::new("Job Version")];
    // A version is never modified, so that is when it came.
    let row = |job: &Job| vec![cell::time(Timestamp(job.modify_time), true), job.version.to_string()];
    Table::new(columns, versions.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::Look;
    use serde_json::json;

    #[test]
    fn looks_like_this() {
        let versions: Vec<Job> = serde_json::from_value(json!([
            {"Version": 1, "ModifyTime": 1_727_848_800_000_000_000_i64},
            {"Version": 2, "ModifyTime": 1_727_848_803_000_000_000_i64}
        ]))
        .unwrap();
        let expected = concat!(
            " CREATED AT           JOB VERSION\n",
            " 2024-10-02 06:00:00  1\n",
            " 2024-10-02 06:00:03  2\n",
        );
        assert_eq!(table(&versions).render(&Look { header: true, style: false }), expected);
    }
}
