//! Follows the history of a job until nothing more can happen.

use std::time::Duration;

use bacalhau_protocol::api::HistoryType;
use bacalhau_protocol::model::JobState;

use super::Observer;
use crate::client::{Client, Error, ExecutionQuery, HistoryQuery, NodeListQuery, Result};
use crate::output;

/// Why the watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Nothing more can happen.
    Finished,
    /// A job that has no end of its own has begun.
    Started,
    /// The limit was reached.
    TimedOut,
    /// The person does not want to wait.
    Interrupted,
}

/// First pause between two looks; it doubles while nothing happens.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Events of one look.
const PAGE: u32 = 100;

/// After how long without an event it is looked at what the job waits for, and how often again.
const LULL: Duration = Duration::from_secs(3);
/// Executions that are looked at during a lull; a larger job tells its story by events alone.
const LULL_EXECUTIONS: u32 = 1000;

/// Shows every event of a job until its end, the limit or Ctrl-C. A server that goes away for a while does not end it.
pub(super) async fn watch(
    client: &Client,
    job: &str,
    long_running: bool,
    limit: Option<Duration>,
    observer: &mut (impl Observer + Send),
) -> anyhow::Result<Watched> {
    bounded(limit, events(client, job, long_running, observer)).await
}

/// Waits until the job is more than a wish, so that there is output to read.
pub(super) async fn until_placed(
    client: &Client,
    job: &str,
    limit: Option<Duration>,
) -> anyhow::Result<Watched> {
    let placed = async {
        let mut patience = Patience::default();
        loop {
            let answer = client.job(job, 0, "").await;
            if let Some(answer) = patience.passing(answer)? {
                let state = answer.job.state.state_type.0;
                let has_begun = state == Some(JobState::Running) || answer.job.state.state_type.is_terminal();
                if has_begun && !client.all_executions(job, "").await?.is_empty() {
                    return Ok(Watched::Finished);
                }
                if state.is_some_and(JobState::is_terminal) {
                    return Ok(Watched::Finished);
                }
            }
            patience.pause().await;
        }
    };
    bounded(limit, placed).await
}

async fn bounded(
    limit: Option<Duration>,
    work: impl Future<Output = anyhow::Result<Watched>>,
) -> anyhow::Result<Watched> {
    tokio::select! {
        watched = work => watched,
        () = tokio::time::sleep(limit.unwrap_or(Duration::MAX)) => Ok(Watched::TimedOut),
        _ = tokio::signal::ctrl_c() => Ok(Watched::Interrupted),
    }
}

async fn events(
    client: &Client,
    job: &str,
    long_running: bool,
    observer: &mut (impl Observer + Send),
) -> anyhow::Result<Watched> {
    let mut query = HistoryQuery { limit: PAGE, event_type: "all".into(), ..HistoryQuery::default() };
    let mut patience = Patience::default();
    loop {
        if let Some(page) = patience.passing(client.history(job, &query).await)? {
            for item in &page.items {
                observer.event(item)?;
                if long_running && item.history_type == HistoryType::ExecutionLevel {
                    return Ok(Watched::Started);
                }
            }
            if page.next_token.is_empty() {
                return Ok(Watched::Finished);
            }
            query.next_token = page.next_token;
            if !page.items.is_empty() {
                patience.reset();
                continue;
            }
            if patience.is_lull() {
                lull(client, job, observer).await?;
            }
        }
        patience.pause().await;
    }
}

/// Looks at what the job waits for. An answer that does not come is no reason to stop waiting.
async fn lull(client: &Client, job: &str, observer: &mut (impl Observer + Send)) -> anyhow::Result<()> {
    let query = ExecutionQuery { limit: LULL_EXECUTIONS, ..ExecutionQuery::default() };
    let disconnected = NodeListQuery { status: "disconnected".into(), ..NodeListQuery::default() };
    let Ok(executions) = client.executions(job, &query).await else { return Ok(()) };
    if !executions.next_token.is_empty() {
        return Ok(());
    }
    let Ok(away) = client.nodes(&disconnected).await else { return Ok(()) };
    observer.lull(&executions.items, &away.nodes)
}

/// Pauses that grow, and errors that may pass.
struct Patience {
    pause: Duration,
    /// Since the last event, or the last look at what the job waits for.
    idle: Duration,
    away: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, idle: Duration::ZERO, away: false }
    }
}

impl Patience {
    fn reset(&mut self) {
        self.pause = FIRST_PAUSE;
        self.idle = Duration::ZERO;
    }

    fn is_lull(&mut self) -> bool {
        let lull = self.idle >= LULL;
        if lull {
            self.idle = Duration::ZERO;
        }
        lull
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.idle += self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// `None` while the server is away; the person hears about it once.
    fn passing<T>(&mut self, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => {
                self.away = false;
                Ok(Some(answer))
            }
            Err(error @ (Error::Unreachable { .. } | Error::Network { .. } | Error::TimedOut { .. })) => {
                if !self.away {
                    output::warn(&format!("{error}; the job goes on, waiting for the server to come back"));
                }
                self.away = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
