//! Fetching the results of a job into a directory, and telling what came and what did not: `job get`, and `--download`
//! of the commands that run a job.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bacalhau_protocol::api::{Execution, SpecConfig};
use bacalhau_protocol::model::JobType;

use crate::client::Client;
use crate::config::duration;
use crate::error::Advised;
use crate::flags::download::DownloadFlags;
use crate::output::{self, cell, document};
use crate::results::{self, Delivery, Order};

/// Which results to fetch, and whereto.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The job as the person named it.
    pub job: &'a str,
    /// Where the name is looked up.
    pub namespace: &'a str,
    /// One path inside each answer.
    pub only: Option<PathBuf>,
    /// Whereto, and for how long.
    pub flags: &'a DownloadFlags,
}

/// Refuses a directory that does not exist, before anything else is done.
pub fn check_directory(flags: &DownloadFlags) -> anyhow::Result<()> {
    match &flags.output_dir {
        Some(directory) if !directory.is_dir() => {
            bail!("output dir does not exist: {}", directory.display())
        }
        _ => Ok(()),
    }
}

/// Fetches everything that was published and can be fetched.
pub async fn fetch(client: &Client, wanted: &Wanted<'_>) -> anyhow::Result<ExitCode> {
    let (job, namespace) = (wanted.job, wanted.namespace);
    check_directory(wanted.flags)?;
    output::note(&format!("Fetching results of job '{job}'..."));
    let job_type = client.job(job, 0, namespace).await?.job.job_type;
    let published = client.results(job, namespace).await?.items;
    let executions = client.all_executions(job, namespace).await?;
    let everywhere = JobType::parse(&job_type).is_some_and(JobType::is_everywhere);
    let unpublished = unpublished(&executions, everywhere);
    if published.is_empty() {
        return nothing(job, &unpublished);
    }
    let (answers, foreign) = results::answers(&published, &executions);
    if answers.is_empty() {
        return unfetchable(&foreign);
    }
    let order = Order { directory: directory(wanted)?, raw: wanted.flags.raw, only: wanted.only.clone() };
    let limit = wanted.flags.timeout();
    let delivery = tokio::time::timeout(limit, Box::pin(results::deliver(client, &answers, &order)))
        .await
        .map_err(|_| timed_out(wanted.flags))??;
    report(job, &order.directory, &delivery, &unpublished, &foreign)
}

/// Where results go: the directory that was named, or one beside the person named after the job.
fn directory(wanted: &Wanted<'_>) -> anyhow::Result<PathBuf> {
    if let Some(directory) = &wanted.flags.output_dir {
        return directory.canonicalize().with_context(|| format!("opening {}", directory.display()));
    }
    let job = wanted.job;
    let name = match wanted.namespace {
        "" | "default" => format!("job-{job}"),
        namespace => format!("job-{namespace}-{job}"),
    };
    let directory = std::env::current_dir().context("finding the current directory")?.join(name);
    std::fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    Ok(directory)
}

fn timed_out(flags: &DownloadFlags) -> Advised {
    Advised::new(
        format!("the results did not arrive within {}", duration::format(flags.timeout())),
        "run `bacalhau job get` again to go on where this ended; --download-timeout-secs 30m gives it more time",
    )
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
        way_out(job, delivery),
    )
    .into())
}

/// What can be done about results that did not come.
fn way_out(job: &str, delivery: &Delivery) -> String {
    let again = "run the same command again when the nodes are back; what has arrived is kept";
    let anew = format!("`bacalhau job rerun {job}` makes anew what is gone");
    match delivery.gone {
        0 => again.to_owned(),
        gone if gone == delivery.missing.len() => anew,
        _ => format!("{again}\n{anew}"),
    }
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
    fn what_is_gone_is_not_waited_for() {
        let hint = |missing, gone| {
            way_out("j-1", &Delivery { missing: vec![String::new(); missing], gone, ..Delivery::default() })
        };
        assert!(!hint(1, 0).contains("rerun") && !hint(1, 1).contains("when the nodes are back"));
        assert!(hint(2, 1).contains("rerun j-1") && hint(2, 1).contains("when the nodes are back"));
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
