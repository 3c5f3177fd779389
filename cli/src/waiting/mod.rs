//! What happens after a job was submitted: wait, show what is going on, tell how it ended (cli.md section 5).

mod display;
mod ending;
mod grouped;
mod node_details;
mod progress;
mod silence;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use bacalhau_protocol::api::{Execution, HistoryItem, Job, NodeState};
use bacalhau_protocol::model::{JobState, JobType};

use crate::client::{Client, LogQuery};
use crate::command::job::print_log;
use crate::fetching::{self, Wanted};
use crate::flags::download::DownloadFlags;
use crate::flags::runtime::Runtime;
use crate::output;
use display::Display;
use silence::Silence;
pub use watch::Watched;

/// What is wanted of a job that was just submitted.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Whether to wait, and what to show.
    pub runtime: &'a Runtime,
    /// Results are fetched at the end, whereto these say.
    pub download: Option<&'a DownloadFlags>,
}

/// Tells the id of a job that a server has taken.
pub fn announce(id: &str, submission: &Submission<'_>) -> std::io::Result<()> {
    let runtime = submission.runtime;
    if runtime.id_only || runtime.leaves_at_once() {
        output::print(&format!("{id}\n"))
    } else {
        output::print(&format!("Job successfully submitted. Job ID: {id}\n"))
    }
}

/// Follows a job that was announced, as the flags ask for.
pub async fn after(client: &Client, id: &str, submission: &Submission<'_>) -> anyhow::Result<ExitCode> {
    let runtime = submission.runtime;
    if runtime.leaves_at_once() {
        return Ok(ExitCode::SUCCESS);
    }
    let stored = client.job(id, 0, "").await?.job;
    let watched = if runtime.follow {
        follow(client, &stored, runtime).await?
    } else {
        if !runtime.id_only {
            output::print(CHECKING)?;
        }
        wait(client, &stored, runtime, Display::new(runtime)).await?
    };
    Box::pin(conclude(client, &stored, watched, submission)).await
}

/// Waits until nothing more can happen to a job.
pub async fn until_ended(
    client: &Client,
    job: &str,
    limit: Duration,
    observer: &mut (impl Observer + Send),
) -> anyhow::Result<Watched> {
    let watched = Box::pin(watch::watch(client, job, false, Some(limit), observer)).await;
    observer.end()?;
    watched
}

const CHECKING: &str =
    "Checking job status... (Enter Ctrl+C to exit at any time, your job will continue running):\n\n";
const WAITING: &str =
    "Waiting for logs... (Enter Ctrl+C to exit at any time, your job will continue running):\n\n";

/// Hears what happens to a job while it is waited for.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, item: &HistoryItem) -> anyhow::Result<()>;
    /// Now and then: these executions there are, and these nodes are away.
    fn look(&mut self, executions: &[Execution], away: &Away) -> anyhow::Result<()>;
    /// There will be no more.
    fn end(&mut self) -> anyhow::Result<()>;
}

/// Who cannot be reached.
#[derive(Debug, Default)]
pub struct Away {
    /// These nodes.
    pub nodes: Vec<NodeState>,
    /// After such a silence the server looks for another node for their work, if it tells.
    pub silence: Option<Duration>,
}

/// Shows events, and tells of nodes that are silent.
struct Shown {
    display: Display,
    silence: Silence,
}

impl Observer for Shown {
    fn event(&mut self, item: &HistoryItem) -> anyhow::Result<()> {
        self.display.event(item)
    }

    fn look(&mut self, executions: &[Execution], away: &Away) -> anyhow::Result<()> {
        self.display.status(executions);
        for note in self.silence.notes(executions, away) {
            self.display.note(&note);
        }
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.display.end()
    }
}

async fn wait(client: &Client, job: &Job, runtime: &Runtime, display: Display) -> anyhow::Result<Watched> {
    let long_running = JobType::parse(&job.job_type).is_some_and(JobType::is_long_running);
    let mut shown = Shown { display, silence: Silence::of(job) };
    let watched = Box::pin(watch::watch(client, &job.id, long_running, runtime.limit(), &mut shown)).await;
    shown.end()?;
    watched
}

async fn follow(client: &Client, job: &Job, runtime: &Runtime) -> anyhow::Result<Watched> {
    if !runtime.id_only {
        output::print(WAITING)?;
    }
    match Box::pin(watch::until_placed(client, &job.id, runtime.limit())).await? {
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
    wait(client, job, runtime, Display::Silent).await
}

/// Tells how it ended. A job that failed makes the command fail.
async fn conclude(
    client: &Client,
    job: &Job,
    watched: Watched,
    submission: &Submission<'_>,
) -> anyhow::Result<ExitCode> {
    let runtime = submission.runtime;
    match watched {
        Watched::Finished | Watched::Started => {}
        cut_short => {
            output::note("");
            output::warn(&ending::cut_short(cut_short, &job.id, runtime.limit()));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let ended = client.job(&job.id, 0, "").await?.job;
    let state = ended.state.state_type.0;
    let bad = matches!(state, Some(JobState::Failed | JobState::Stopped));
    if bad {
        output::note(&ending::failure(&ended, output::stderr_has_colour()));
    }
    if runtime.node_details && !runtime.id_only {
        output::print(&node_details::text(&client.all_executions(&job.id, "").await?))?;
    }
    if !runtime.id_only && !runtime.follow {
        output::print(&ending::hints(&ended, submission.download.is_some()))?;
    }
    if let Some(flags) = submission.download.filter(|_| state.is_some_and(JobState::is_terminal)) {
        let wanted = Wanted { job: &job.id, namespace: "", only: None, flags };
        let fetched = Box::pin(fetching::fetch(client, &wanted)).await?;
        return Ok(if bad { ExitCode::FAILURE } else { fetched });
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
