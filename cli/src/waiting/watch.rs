//! Follows the history of a job until nothing more can happen.

use std::time::Duration;

use bacalhau_protocol::api::HistoryType;
use bacalhau_protocol::model::JobState;
use tokio::sync::OnceCell;
use tokio::time::Interval;

use super::{Away, Observer};
use crate::client::{Client, ExecutionQuery, HistoryQuery, NodeListQuery, Result};
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

/// First pause between two questions for news; it doubles while nothing happens.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause between two questions for news.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long a server may hold its answer back until there are news, seconds. Those that do not know how answer at once.
const WAIT_SECS: u64 = 10;
/// Events of one answer.
const PAGE: u32 = 100;

/// When it is first looked at what the job waits for, and how often again.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_secs(3);
/// Executions read at a time during a look. A job of so many is looked at half as often, one of twice as many a third.
const LOOK_PAGE: u32 = 1000;
/// Pages of executions read during a look; a larger job tells its story by events alone.
const LOOK_PAGES: u32 = 10;

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
        let mut query = news();
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
            if let Some(page) = patience.passing(client.history(job, &query).await)?
                && !page.items.is_empty()
            {
                query.next_token = page.next_token;
                patience.reset();
            }
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

fn news() -> HistoryQuery {
    HistoryQuery { limit: PAGE, event_type: "all".into(), wait_secs: WAIT_SECS, ..HistoryQuery::default() }
}

async fn events(
    client: &Client,
    job: &str,
    long_running: bool,
    observer: &mut (impl Observer + Send),
) -> anyhow::Result<Watched> {
    let mut query = news();
    let mut patience = Patience::default();
    let mut looks = Looks::new();
    loop {
        let answer = {
            let question = async {
                patience.pause().await;
                client.history(job, &query).await
            };
            let mut question = std::pin::pin!(question);
            loop {
                tokio::select! {
                    answer = question.as_mut() => break answer,
                    () = looks.due() => looks.look(client, job, observer).await?,
                }
            }
        };
        let Some(page) = patience.passing(answer)? else { continue };
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
        }
    }
}

/// When to look at what the job waits for.
struct Looks {
    ticks: Interval,
    /// How long the server waits for a silent node; asked for when there is one.
    silence: OnceCell<Option<Duration>>,
}

impl Looks {
    fn new() -> Self {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.reset_after(FIRST_LOOK);
        Self { ticks, silence: OnceCell::new() }
    }

    async fn due(&mut self) {
        self.ticks.tick().await;
    }

    /// Looks. An answer that does not come is no reason to stop waiting.
    async fn look(
        &mut self,
        client: &Client,
        job: &str,
        observer: &mut (impl Observer + Send),
    ) -> anyhow::Result<()> {
        let mut query = ExecutionQuery { limit: LOOK_PAGE, ..ExecutionQuery::default() };
        let mut executions = Vec::new();
        for pages in 1..=LOOK_PAGES {
            self.ticks.reset_after(LOOK * pages);
            let Ok(page) = client.executions(job, &query).await else { return Ok(()) };
            executions.extend(page.items);
            if page.next_token.is_empty() {
                let disconnected =
                    NodeListQuery { status: "disconnected".into(), ..NodeListQuery::default() };
                let Ok(page) = client.nodes(&disconnected).await else { return Ok(()) };
                let mut away = Away { nodes: page.nodes, silence: None };
                if !away.nodes.is_empty() {
                    away.silence = *self.silence.get_or_init(|| client.silence()).await;
                }
                return observer.look(&executions, &away);
            }
            query.next_token = page.next_token;
        }
        Ok(())
    }
}

/// Pauses that grow, and errors that may pass.
#[derive(Default)]
struct Patience {
    pause: Duration,
    away: bool,
}

impl Patience {
    /// There were news: the next question comes at once.
    fn reset(&mut self) {
        self.pause = Duration::ZERO;
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }

    /// `None` while the server is away; the person hears about it once.
    fn passing<T>(&mut self, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => {
                self.away = false;
                Ok(Some(answer))
            }
            Err(error) if error.is_passing() => {
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
