//! What happens after a job was submitted: wait, show what is going on, tell how it ended (cli.md section 5).

mod ending;
mod node_details;
mod progress;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use bacalhau_protocol::api::{HistoryItem, Job};
use bacalhau_protocol::model::{JobState, JobType};
use clap::Args;
use serde_json::Value;

use crate::client::{Client, LogQuery};
use crate::command::job::print_log;
use crate::output;
use progress::Progress;
pub use watch::Watched;

/// Flags of commands that submit a job.
#[derive(Args, Clone, Debug)]
pub struct Runtime {
    /// Wait for the job to end
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_name = "BOOL")]
    wait: bool,
    /// Longest wait, seconds
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    wait_timeout_secs: u64,
    /// Print only the id of the job
    #[arg(long)]
    id_only: bool,
    /// Print what each node answered when the job has ended
    #[arg(long)]
    node_details: bool,
    /// Show the output of the job while it runs
    #[arg(short, long)]
    follow: bool,
    /// Leave the warnings of the server out
    #[arg(long)]
    hide_warnings: bool,
    /// Warnings are shown unless hidden
    #[arg(long, hide = true)]
    show_warnings: bool,
}

/// Submits a job and does what the flags ask for.
pub async fn submit(
    client: &Client,
    job: &Value,
    force: bool,
    runtime: &Runtime,
) -> anyhow::Result<ExitCode> {
    let submitted = client.submit(job, force).await?;
    if !runtime.hide_warnings {
        submitted.warnings.iter().for_each(|warning| output::warn(warning));
    }
    let id = submitted.job_id.as_str();
    if !runtime.wait && !runtime.follow {
        output::print(&format!("{id}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if runtime.id_only {
        output::print(&format!("{id}\n"))?;
    } else {
        output::print(&format!("Job successfully submitted. Job ID: {id}\n"))?;
    }
    let stored = client.job(id, 0, "").await?.job;
    let watched = match (runtime.follow, runtime.id_only) {
        (true, id_only) => follow(client, &stored, runtime, id_only).await?,
        (false, true) => wait(client, &stored, runtime, |_| Ok(())).await?,
        (false, false) => show(client, &stored, runtime).await?,
    };
    conclude(client, &stored, watched, runtime).await
}

/// Waits until nothing more can happen to a job, without showing anything.
pub async fn until_ended(client: &Client, job: &str, limit: Duration) -> anyhow::Result<Watched> {
    Box::pin(watch::watch(client, job, false, limit, |_| Ok(()))).await
}

async fn wait(
    client: &Client,
    job: &Job,
    runtime: &Runtime,
    show: impl FnMut(&HistoryItem) -> anyhow::Result<()> + Send,
) -> anyhow::Result<Watched> {
    let long_running = JobType::parse(&job.job_type).is_some_and(JobType::is_long_running);
    Box::pin(watch::watch(client, &job.id, long_running, limit(runtime), show)).await
}

fn limit(runtime: &Runtime) -> Duration {
    Duration::from_secs(runtime.wait_timeout_secs)
}

async fn show(client: &Client, job: &Job, runtime: &Runtime) -> anyhow::Result<Watched> {
    output::print(
        "Checking job status... (Enter Ctrl+C to exit at any time, your job will continue running):\n\n",
    )?;
    let mut progress = Progress::default();
    wait(client, job, runtime, |item| {
        if let Some(line) = progress.line(item) {
            output::print(&line)?;
        }
        Ok(())
    })
    .await
}

async fn follow(client: &Client, job: &Job, runtime: &Runtime, id_only: bool) -> anyhow::Result<Watched> {
    if !id_only {
        output::print(
            "Waiting for logs... (Enter Ctrl+C to exit at any time, your job will continue running):\n\n",
        )?;
    }
    match Box::pin(watch::until_placed(client, &job.id, limit(runtime))).await? {
        Watched::Finished => {}
        cut_short => return Ok(cut_short),
    }
    let log = async {
        let query = LogQuery { follow: true, ..LogQuery::default() };
        print_log(client.logs(&job.id, &query).await?).await
    };
    tokio::select! {
        printed = Box::pin(log) => printed?,
        _ = tokio::signal::ctrl_c() => return Ok(Watched::Interrupted),
    }
    wait(client, job, runtime, |_| Ok(())).await
}

/// Tells how it ended. A job that failed makes the command fail.
async fn conclude(
    client: &Client,
    job: &Job,
    watched: Watched,
    runtime: &Runtime,
) -> anyhow::Result<ExitCode> {
    match watched {
        Watched::Finished | Watched::Started => {}
        cut_short => {
            output::note("");
            output::warn(&ending::cut_short(cut_short, &job.id, runtime.wait_timeout_secs));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let ended = client.job(&job.id, 0, "").await?.job;
    let state = ended.state.state_type.0;
    let bad = matches!(state, Some(JobState::Failed | JobState::Stopped));
    if bad {
        output::note(&ending::failure(&ended, output::stderr_has_colour()));
    }
    if runtime.node_details {
        output::print(&node_details::text(&client.all_executions(&job.id, "").await?))?;
    }
    if !runtime.id_only && !runtime.follow {
        output::print(&ending::hints(&ended))?;
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
