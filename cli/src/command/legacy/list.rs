//! `bacalhau list`, now `bacalhau job list`

use std::process::ExitCode;

use bacalhau_protocol::api::Job;
use bacalhau_protocol::time::Timestamp;
use clap::{Args, ValueEnum};

use crate::app::Context;
use crate::client::JobListQuery;
use crate::flags::environment;
use crate::output::{self, Column, ListOutput, Table, cell};

/// Lists jobs, newest first.
#[derive(Args, Debug)]
pub struct List {
    /// At most so many jobs
    #[arg(short, long, default_value_t = 10)]
    number: u32,
    /// Field to sort by
    #[arg(long, value_enum, default_value_t)]
    sort_by: SortBy,
    /// Newest, or last, first
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_name = "BOOL")]
    reverse: bool,
    /// Show jobs with excluded tags too
    #[arg(long)]
    all: bool,
    /// Only jobs whose id contains this
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    id_filter: String,
    /// Only jobs with one of these labels
    #[arg(long, value_name = "LABELS")]
    include_tag: Vec<String>,
    /// No jobs with one of these labels
    #[arg(long, default_value = "canary", value_name = "LABELS")]
    exclude_tag: Vec<String>,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SortBy {
    Id,
    #[default]
    #[value(name = "created_at")]
    CreatedAt,
}

/// What old labels, which had no values, are looked for.
struct Filter {
    id: String,
    include: Vec<String>,
    exclude: Vec<String>,
}

/// Jobs of one page; pages are read until enough jobs pass the filter.
const PAGE: u32 = 1000;

impl List {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let filter = Filter {
            id: self.id_filter.clone(),
            include: environment::list("--include-tag", &self.include_tag).map_err(anyhow::Error::msg)?,
            exclude: match self.all {
                true => Vec::new(),
                false => environment::list("--exclude-tag", &self.exclude_tag).map_err(anyhow::Error::msg)?,
            },
        };
        let jobs = self.jobs(context, &filter).await?;
        output::print(&self.output.render(&jobs, |wide| table(&jobs, wide))?)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn jobs(&self, context: &Context, filter: &Filter) -> anyhow::Result<Vec<Job>> {
        let order_by = match self.sort_by {
            SortBy::Id => "id",
            SortBy::CreatedAt => "created_at",
        };
        let mut query = JobListQuery {
            limit: PAGE,
            order_by: order_by.to_owned(),
            reverse: self.reverse,
            namespace: "*".to_owned(),
            ..JobListQuery::default()
        };
        let client = context.client()?;
        let wanted = usize::try_from(self.number).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        loop {
            let page = client.jobs(&query).await?;
            found.extend(page.items.into_iter().filter(|job| filter.admits(job)));
            if found.len() >= wanted || page.next_token.is_empty() {
                found.truncate(wanted);
                return Ok(found);
            }
            query.next_token = page.next_token;
        }
    }
}

impl Filter {
    fn admits(&self, job: &Job) -> bool {
        let has = |tags: &[String]| tags.iter().any(|tag| job.labels.contains_key(tag));
        job.id.contains(&self.id) && !has(&self.exclude) && (self.include.is_empty() || has(&self.include))
    }
}

fn table(jobs: &[Job], wide: bool) -> Table {
    let columns = [
        Column::limited("created", 8),
        Column::new("id"),
        Column::new("job"),
        Column::limited("state", 20),
        Column::new("published"),
    ];
    let rows = jobs.iter().map(|job| row(job, wide)).collect();
    Table::new(columns.map(|column| column.unless(wide)).to_vec(), rows)
}

fn row(job: &Job, wide: bool) -> Vec<String> {
    let task = job.tasks.first();
    vec![
        cell::time(Timestamp(job.create_time), wide),
        cell::id(&job.id, wide),
        task.map(|task| task.engine.kind.clone()).unwrap_or_default(),
        job.state.state_type.to_string(),
        task.map(|task| task.publisher.kind.clone()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_include_and_exclude() {
        let job: Job =
            serde_json::from_value(json!({"ID": "j-1a2b", "Labels": {"canary": "", "edge": ""}})).unwrap();
        let admits = |id: &str, include: &[&str], exclude: &[&str]| {
            let texts = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
            Filter { id: id.into(), include: texts(include), exclude: texts(exclude) }.admits(&job)
        };
        assert!(admits("", &[], &[]));
        assert!(admits("1a", &["edge", "x"], &["y"]));
        assert!(!admits("1b", &[], &[]));
        assert!(!admits("", &["x"], &[]));
        assert!(!admits("", &[], &["canary"]));
    }
}
