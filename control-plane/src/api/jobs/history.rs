//! What happened to a job (api.md 3.7).

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use bacalhau_protocol::api::{Event, HistoryItem, HistoryType, ListResponse};
use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::Job;
use bacalhau_protocol::time::Timestamp;

use super::lookup;
use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::older;
use crate::api::page::{MAX_ITEMS, Token};
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::state::{HistoryEntry, HistoryQuery};

/// Entries of a page when the client does not say.
const DEFAULT_LIMIT: usize = 100;

/// Longest wait for something to happen, seconds; well below the time limit of a request.
const MAX_WAIT_SECS: u64 = 10;

/// Which entries to show.
pub(super) struct Page {
    /// Of all versions when absent.
    version: Option<u64>,
    level: Option<HistoryType>,
    execution: Option<ExecutionId>,
    since: Timestamp,
    limit: usize,
    /// Sequence of the last entry that was looked at.
    after: u64,
}

/// Lists history; with `wait`, an empty page that another may follow is held back until something happens.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Answer<ListResponse<HistoryItem>>, ApiError> {
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    let asked = asked(&api, &params, &job).await?;
    let wait = Duration::from_secs(params.number("wait")?.min(MAX_WAIT_SECS));
    if wait.is_zero() {
        return Ok(Answer(page(&api, &caller, &job, &asked).await?));
    }
    let mut news = api.parts.orchestrator.reader().news(&job.id).await?;
    let mut limit = std::pin::pin!(tokio::time::sleep(wait));
    loop {
        let (page, is_behind) = look(&api, &caller, &job, &asked).await?;
        if is_behind || !page.items.is_empty() || page.next_token.is_empty() {
            return Ok(Answer(page));
        }
        tokio::select! {
            () = news.next() => {}
            () = limit.as_mut() => return Ok(Answer(page)),
        }
    }
}

/// One page of a job's history, oldest first.
pub(super) async fn page(
    api: &Api,
    caller: &Caller,
    job: &Job,
    page: &Page,
) -> Result<ListResponse<HistoryItem>, ApiError> {
    Ok(look(api, caller, job, page).await?.0)
}

/// One page, and whether there is more to look at already.
async fn look(
    api: &Api,
    caller: &Caller,
    job: &Job,
    page: &Page,
) -> Result<(ListResponse<HistoryItem>, bool), ApiError> {
    let reader = api.parts.orchestrator.reader();
    // Whether more can happen is asked first: what happens after that is found by the next page.
    let may_grow = may_grow(api, job, page).await?;
    let query = HistoryQuery { after: page.after, limit: page.limit, version: page.version };
    let found = reader.history(job, &query, |entry| page.wants(entry)).await?;
    let has_more = found.more || may_grow;
    let next_token = if has_more { page.token(found.position).to_string() } else { String::new() };
    let items = found.entries.into_iter().map(|entry| show(caller, job, entry)).collect();
    Ok((ListResponse { next_token, items }, found.more))
}

/// The token stays until nothing more can happen: clients poll with it (api.md 3.7).
async fn may_grow(api: &Api, job: &Job, page: &Page) -> Result<bool, ApiError> {
    let reader = api.parts.orchestrator.reader();
    if let Some(id) = &page.execution {
        let execution = reader.execution(&job.id, id).await?;
        return Ok(execution.is_some_and(|execution| !execution.is_terminal()));
    }
    let is_current = page.version.is_none_or(|version| version == job.version);
    // The head that was looked up may be older than the entries that are about to be read.
    let head = reader.head(&job.id).await?;
    Ok(is_current && head.is_some_and(|head| !head.state.is_terminal()))
}

impl Page {
    /// The first page of one version, or of all.
    pub(super) fn of(version: Option<u64>) -> Self {
        let since = Timestamp(i64::MIN);
        Self { version, level: None, execution: None, since, limit: DEFAULT_LIMIT, after: 0 }
    }

    fn wants(&self, entry: &HistoryEntry) -> bool {
        let level = level(entry);
        self.level.is_none_or(|wanted| wanted == level)
            && self.execution.as_ref().is_none_or(|id| entry.execution_id.as_ref() == Some(id))
            && entry.event.at >= self.since
    }

    fn token(&self, position: u64) -> Token {
        Token { sort: String::new(), reverse: false, limit: self.limit, position: position.to_string() }
    }
}

async fn asked(api: &Api, params: &Params, job: &Job) -> Result<Page, ApiError> {
    let mut page = Page {
        level: parse_level(params.text("event_type"))?,
        since: since(params)?,
        ..Page::of(lookup::version(params, job)?)
    };
    let execution = params.text("execution_id");
    if !execution.is_empty() {
        page.execution = Some(lookup::execution(api, &job.id, execution).await?.id);
    }
    let token = params.text("next_token");
    match params.number("limit")? {
        _ if !token.is_empty() => {
            let Token { limit, position, .. } = Token::parse(token)?;
            page.limit = limit;
            page.after = position.parse().map_err(|_| ApiError::bad_token(token))?;
        }
        0 => {}
        limit => page.limit = usize::try_from(limit).unwrap_or(MAX_ITEMS).min(MAX_ITEMS),
    }
    Ok(page)
}

fn parse_level(word: &str) -> Result<Option<HistoryType>, ApiError> {
    match word.to_lowercase().as_str() {
        "" | "all" => Ok(None),
        "job" => Ok(Some(HistoryType::JobLevel)),
        "execution" => Ok(Some(HistoryType::ExecutionLevel)),
        _ => {
            Err(ApiError::bad_request(format!("invalid event_type {word:?}: expected all, job or execution")))
        }
    }
}

fn since(params: &Params) -> Result<Timestamp, ApiError> {
    let seconds = i64::try_from(params.number("since")?).unwrap_or(i64::MAX);
    Ok(if seconds == 0 { Timestamp(i64::MIN) } else { Timestamp(seconds.saturating_mul(1_000_000_000)) })
}

fn level(entry: &HistoryEntry) -> HistoryType {
    if entry.execution_id.is_some() { HistoryType::ExecutionLevel } else { HistoryType::JobLevel }
}

fn show(caller: &Caller, job: &Job, entry: HistoryEntry) -> HistoryItem {
    let mut shown = HistoryItem {
        seq_num: entry.sequence,
        history_type: level(&entry),
        job_id: job.id.to_string(),
        job_version: entry.job_version,
        execution_id: entry.execution_id.map(|id| id.to_string()).unwrap_or_default(),
        time: entry.event.at,
        event: Event::from(&entry.event),
        ..HistoryItem::default()
    };
    older::history(caller, &mut shown);
    shown
}
