//! Pages of jobs (api.md 3.3).
//!
//! The usual order, by age, costs what the page holds however many jobs there are; so does the selector that clients
//! send by default, since nearly every job matches it. The other orders look at all jobs of the namespace.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use bacalhau_protocol::api::{self, ListResponse};
use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::{Constraint, Job, JobSpec};
use bacalhau_protocol::selector;
use bacalhau_protocol::time::Timestamp;

use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::page::{Token, page_size, slice};
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::state::{JobQuery, keys};

/// Jobs looked at for one page. A selector that matches few gets a page with fewer items and a token.
const MAX_LOOKED_AT: usize = 10_000;
/// Jobs read from the store at a time while looking.
const BATCH: usize = 100;

struct Asked {
    namespace: Option<String>,
    selector: Vec<Constraint>,
    order: Order,
    reverse: bool,
    limit: usize,
    /// Empty on the first page.
    position: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Created,
    Modified,
    Id,
}

/// Lists jobs.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Answer<ListResponse<api::Job>>, ApiError> {
    authorize(&caller, Action::Read, Resource::Jobs)?;
    let asked = Asked::read(&params)?;
    let (jobs, next) = match asked.order {
        Order::Created => by_age(&api, &asked).await?,
        Order::Modified | Order::Id => sorted(&api, &asked).await?,
    };
    let token = |position| asked.token(position).to_string();
    let items = jobs.iter().map(|(job, spec)| api::Job::from_model(job, spec)).collect();
    Ok(Answer(ListResponse { next_token: next.map(token).unwrap_or_default(), items }))
}

type Jobs = Vec<(Job, JobSpec)>;

/// A page in the order of the index; the position of the next one is the last job that was looked at.
async fn by_age(api: &Api, asked: &Asked) -> Result<(Jobs, Option<String>), ApiError> {
    let reader = api.parts.orchestrator.reader();
    let mut query =
        asked.query(if asked.selector.is_empty() { asked.limit } else { asked.limit.min(BATCH) })?;
    let (mut jobs, mut looked_at) = (Jobs::new(), 0);
    loop {
        let page = reader.list(&query).await?;
        let fetched = page.jobs.len();
        looked_at += fetched;
        for (index, (job, spec)) in page.jobs.into_iter().enumerate() {
            let position = position(&job);
            if selector::matches(&asked.selector, &spec.labels) {
                jobs.push((job, spec));
            }
            if jobs.len() == asked.limit {
                let has_more = index + 1 < fetched || page.next.is_some();
                return Ok((jobs, has_more.then_some(position)));
            }
        }
        let Some(next) = page.next else { return Ok((jobs, None)) };
        if looked_at >= MAX_LOOKED_AT {
            return Ok((jobs, position_of_key(&next)));
        }
        query.after = Some(next);
    }
}

/// A page of all jobs that match, sorted on the spot. Only keys are kept while looking.
async fn sorted(api: &Api, asked: &Asked) -> Result<(Jobs, Option<String>), ApiError> {
    let reader = api.parts.orchestrator.reader();
    let mut query = JobQuery { namespace: asked.namespace.clone(), limit: BATCH, ..JobQuery::default() };
    let mut found: Vec<(Timestamp, JobId)> = Vec::new();
    loop {
        let page = reader.list(&query).await?;
        let matching = page.jobs.iter().filter(|(_, spec)| selector::matches(&asked.selector, &spec.labels));
        found.extend(matching.map(|(job, _)| (asked.order.key(job), job.id.clone())));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    found.sort_unstable();
    if asked.reverse {
        found.reverse();
    }
    let offset = asked.position.parse().unwrap_or(0);
    let (found, next) = slice(found, offset, asked.limit);
    let mut jobs = Jobs::with_capacity(found.len());
    for (_, id) in found {
        // A job may have been forgotten since it was found.
        if let Some(job) = reader.head(&id).await? {
            let spec = reader.spec(&id, job.version).await?;
            jobs.push((job, spec));
        }
    }
    Ok((jobs, next))
}

impl Asked {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let namespace = Some(params.text("namespace")).filter(|name| !matches!(*name, "" | "*"));
        let (namespace, selector) = (namespace.map(str::to_owned), params.selector()?);
        let token = params.text("next_token");
        if !token.is_empty() {
            let Token { sort, reverse, limit, position } = Token::parse(token)?;
            let order = Order::parse(&sort)?;
            return Ok(Self { namespace, selector, order, reverse, limit, position });
        }
        Ok(Self {
            namespace,
            selector,
            order: Order::parse(params.text("order_by"))?,
            reverse: params.flag("reverse")?,
            limit: page_size(params.number("limit")?),
            position: String::new(),
        })
    }

    fn query(&self, limit: usize) -> Result<JobQuery, ApiError> {
        let after = match self.position.split_once('/') {
            _ if self.position.is_empty() => None,
            Some((nanos, id)) => {
                Some(self.place(nanos, id).ok_or_else(|| ApiError::bad_token(&self.position))?)
            }
            None => return Err(ApiError::bad_token(&self.position)),
        };
        Ok(JobQuery { namespace: self.namespace.clone(), newest_first: self.reverse, after, limit })
    }

    /// The key is made here, from its parts, so that no token leads out of the listing.
    fn place(&self, nanos: &str, id: &str) -> Option<bytes::Bytes> {
        let created = Timestamp(nanos.parse().ok()?);
        Some(keys::listed(self.namespace.as_deref(), created, &JobId::parse(id).ok()?))
    }

    fn token(&self, position: String) -> Token {
        Token { sort: self.order.word().to_owned(), reverse: self.reverse, limit: self.limit, position }
    }
}

fn position(job: &Job) -> String {
    format!("{}/{}", job.created.0, job.id)
}

/// The position behind a key of the listing.
fn position_of_key(key: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(key).ok()?;
    let (rest, id) = text.rsplit_once('/')?;
    let nanos = i64::from_str_radix(rest.get(rest.len().checked_sub(16)?..)?, 16).ok()?;
    Some(format!("{nanos}/{id}"))
}

impl Order {
    fn parse(word: &str) -> Result<Self, ApiError> {
        match word {
            "" | "created_at" | "create_time" => Ok(Self::Created),
            "modified_at" | "modify_time" => Ok(Self::Modified),
            "id" => Ok(Self::Id),
            other => Err(ApiError::bad_request(format!(
                "invalid order_by {other:?}: expected created_at, modified_at or id"
            ))),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Created => "created_at",
            Self::Modified => "modified_at",
            Self::Id => "id",
        }
    }

    /// What comes before the id when sorting.
    fn key(self, job: &Job) -> Timestamp {
        if self == Self::Modified { job.modified } else { Timestamp::ZERO }
    }
}
