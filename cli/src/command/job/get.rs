//! `bacalhau job get`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bacalhau_protocol::api::{Execution, SpecConfig};
use bacalhau_protocol::model::JobType;
use clap::Args;

use crate::app::Context;
use crate::config::duration;
use crate::error::Advised;
use crate::output::{self, cell, document};
use crate::results::{self, Delivery, Order};

/// Fetches the results of a job: one directory per node when there are several.
#[derive(Args, Debug)]
pub struct Get {
    /// Name of the job, its id, or the unique beginning of its id; /PATH behind it chooses a part of the results
    #[arg(value_name = "JOB[/PATH]")]
    job: String,
    /// Directory to write to; it must exist [default: ./job-JOB]
    #[arg(long, value_name = "PATH")]
    output_dir: Option<PathBuf>,
    /// Keep the archive of each execution as it is
    #[arg(long)]
    raw: bool,
    /// Longest time for all downloads
    #[arg(long, default_value = "5m0s", value_name = "DURATION", value_parser = parse_timeout)]
    download_timeout_secs: Duration,
    /// Where the name is looked up
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    duration::parse(text)
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| "expected a duration such as 30s or 5m0s".into())
}

impl Get {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let client = context.client()?;
        let (job, only) = match self.job.split_once('/') {
            Some((job, path)) => (job, Some(PathBuf::from(path.trim_end_matches('/')))),
            None => (self.job.as_str(), None),
        };
        self.check_directory()?;
        output::note(&format!("Fetching results of job '{job}'..."));
        let job_type = client.job(job, 0, &self.namespace).await?.job.job_type;
        let published = client.results(job, &self.namespace).await?.items;
        let executions = client.all_executions(job, &self.namespace).await?;
        let unpublished =
            unpublished(&executions, JobType::parse(&job_type).is_some_and(JobType::is_everywhere));
        if published.is_empty() {
            return nothing(job, &unpublished);
        }
        let (answers, foreign) = results::answers(&published, &executions);
        if answers.is_empty() {
            return unfetchable(&foreign);
        }
        let order = Order { directory: self.directory(job)?, raw: self.raw, only };
        let delivery = tokio::time::timeout(
            self.download_timeout_secs,
            Box::pin(results::deliver(&client, &answers, &order)),
        )
        .await
        .map_err(|_| self.timed_out())??;
        report(job, &order.directory, &delivery, &unpublished, &foreign)
    }

    fn check_directory(&self) -> anyhow::Result<()> {
        match &self.output_dir {
            Some(directory) if !directory.is_dir() => {
                bail!("output dir does not exist: {}", directory.display())
            }
            _ => Ok(()),
        }
    }

    fn directory(&self, job: &str) -> anyhow::Result<PathBuf> {
        if let Some(directory) = &self.output_dir {
            return Ok(directory.clone());
        }
        let name = match self.namespace.as_str() {
            "" | "default" => format!("job-{job}"),
            namespace => format!("job-{namespace}-{job}"),
        };
        let directory = std::env::current_dir().context("finding the current directory")?.join(name);
        std::fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
        Ok(directory)
    }

    fn timed_out(&self) -> Advised {
        Advised::new(
            format!("the results did not arrive within {}", duration::format(self.download_timeout_secs)),
            "run the same command again to go on where this one ended; --download-timeout-secs 30m gives it more time",
        )
    }
}

/// Executions that published nothing, each with its node and what became of it. An attempt that another one made up for is
/// not missed: on the same node where the job runs `everywhere`, for the same partition elsewhere.
fn unpublished(executions: &[Execution], everywhere: bool) -> Vec<String> {
    let is_published = |execution: &&Execution| !execution.published_result.kind.is_empty();
    let answers_for = |a: &Execution, b: &Execution| {
        if everywhere { a.node_id == b.node_id } else { a.partition_index == b.partition_index }
    };
    let is_missed = |execution: &&Execution| {
        !executions.iter().filter(is_published).any(|published| answers_for(published, execution))
    };
    executions.iter().filter(is_missed).map(fate).collect()
}

fn fate(execution: &Execution) -> String {
    let state = &execution.compute_state;
    let message = if state.message.is_empty() { String::new() } else { format!(": {}", state.message) };
    let id = cell::short_id(&execution.id);
    format!("node {} (execution {id}): {}{message}", execution.node_id, state.state_type)
}

fn nothing(job: &str, unpublished: &[String]) -> anyhow::Result<ExitCode> {
    name_all("Nothing was published by", unpublished);
    output::print(&format!(
        "No results found\nYou can check the logged output of the job using the logs command.\n\n  bacalhau job logs {job}\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn unfetchable(foreign: &[SpecConfig]) -> anyhow::Result<ExitCode> {
    output::note("The results were published where this client cannot fetch them:");
    output::note(document::json(foreign, true)?.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn report(
    job: &str,
    directory: &Path,
    delivery: &Delivery,
    unpublished: &[String],
    foreign: &[SpecConfig],
) -> anyhow::Result<ExitCode> {
    name_all("Left out of the results", &delivery.left_out);
    name_all("Nothing was published by", unpublished);
    if !foreign.is_empty() {
        unfetchable(foreign)?;
    }
    if delivery.delivered > 0 {
        output::print(&format!(
            "Results for job '{job}' have been written to...\n{}\n",
            directory.display()
        ))?;
    }
    if delivery.missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let missing = delivery.missing.join("\n  ");
    Err(Advised::new(
        format!("{} of the results could not be fetched:\n  {missing}", delivery.missing.len()),
        "run the same command again when the nodes are back; what has arrived is kept",
    )
    .into())
}

fn name_all(heading: &str, items: &[String]) {
    if !items.is_empty() {
        output::warn(&format!("{heading}:\n  {}", items.join("\n  ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn executions_without_results_are_named_unless_another_made_up_for_them() {
        let executions: Vec<Execution> = read(json!([
            {"ID": "e-1", "NodeID": "a", "ComputeState": {"StateType": 10, "Message": "exit code 3"}},
            {"ID": "e-2", "NodeID": "b", "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "local"}},
            {"ID": "e-3", "NodeID": "c", "ComputeState": {"StateType": 9}, "PartitionIndex": 1}
        ]));
        let (failed, silent) =
            ("node a (execution e-1): Failed: exit code 3", "node c (execution e-3): Completed");
        assert_eq!(unpublished(&executions, true), [failed, silent]);
        assert_eq!(unpublished(&executions, false), [silent]);
    }
}
