//! A job's executions (api.md 3.8).
//!
//! Every order but that by state has an index, so a page costs what it holds however many executions there are. By state
//! they are sorted here, and only as many as that is cheap for.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use bacalhau_protocol::api::{self, ListResponse};
use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{Execution, Job};

use super::lookup;
use super::show::Shown;
use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::page::{MAX_ITEMS, Token, page_size};
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::state::{ExecutionOrder, ExecutionPage, ExecutionQuery};

/// Executions that are sorted by state.
const MAX_SORTED: usize = 10_000;

/// Which executions to show, and in which order.
pub(super) struct Page {
    /// Of all versions when absent.
    version: Option<u64>,
    order: Order,
    reverse: bool,
    limit: usize,
    /// Where the page before ended; absent on the first one.
    after: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Kept(ExecutionOrder),
    State,
}

/// Lists executions.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Answer<ListResponse<api::Execution>>, ApiError> {
    let job = lookup::job(&api, &text, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    let page_asked = asked(&params, &job)?;
    Ok(Answer(page(&api, &job, &page_asked, &Shown::to(&headers, &caller)).await?))
}

/// One page of a job's executions.
pub(super) async fn page(
    api: &Api,
    job: &Job,
    page: &Page,
    shown: &Shown,
) -> Result<ListResponse<api::Execution>, ApiError> {
    let found = match page.order {
        Order::Kept(order) => {
            api.parts.orchestrator.reader().executions_page(job, &page.query(order)).await?
        }
        Order::State => page_by_state(api, job, page).await?,
    };
    let next_token = found.next.map(|place| page.token(place).to_string()).unwrap_or_default();
    Ok(ListResponse { next_token, items: show(api, job, &found.executions, shown).await? })
}

/// All executions of a version, or of all, oldest first.
pub(super) async fn all(api: &Api, job: &Job, version: Option<u64>) -> Result<Vec<Execution>, ApiError> {
    first(api, job, version, usize::MAX).await
}

/// As [`all`], a page more than `enough` at most.
async fn first(
    api: &Api,
    job: &Job,
    version: Option<u64>,
    enough: usize,
) -> Result<Vec<Execution>, ApiError> {
    let order = ExecutionOrder::Created;
    let mut query = ExecutionQuery { version, order, reverse: false, after: None, limit: MAX_ITEMS };
    let mut executions = Vec::new();
    loop {
        let page = api.parts.orchestrator.reader().executions_page(job, &query).await?;
        executions.extend(page.executions);
        query.after = page.next;
        if query.after.is_none() || executions.len() > enough {
            return Ok(executions);
        }
    }
}

async fn page_by_state(api: &Api, job: &Job, page: &Page) -> Result<ExecutionPage, ApiError> {
    let mut executions = first(api, job, page.version, MAX_SORTED).await?;
    if executions.len() > MAX_SORTED {
        return Err(ApiError::bad_request(format!(
            "order_by state: the job has more than {MAX_SORTED} executions; use created_at, modified_at or id"
        )));
    }
    if let Some(after) = &page.after {
        executions.retain(|execution| {
            let place = place_by_state(execution);
            if page.reverse { place < *after } else { place > *after }
        });
    }
    executions.sort_by_cached_key(place_by_state);
    if page.reverse {
        executions.reverse();
    }
    let has_more = executions.len() > page.limit;
    executions.truncate(page.limit);
    let next = executions.last().filter(|_| has_more).map(place_by_state);
    Ok(ExecutionPage { executions, next })
}

fn place_by_state(execution: &Execution) -> String {
    format!("{:02}/{}", execution.compute_state().number(), execution.id)
}

fn is_place_by_state(place: &str) -> bool {
    let is_state = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    place.split_once('/').is_some_and(|(state, id)| is_state(state) && ExecutionId::parse(id).is_ok())
}

async fn show(
    api: &Api,
    job: &Job,
    executions: &[Execution],
    shown: &Shown,
) -> Result<Vec<api::Execution>, ApiError> {
    let mut specs = BTreeMap::new();
    let mut items = Vec::with_capacity(executions.len());
    for execution in executions {
        let version = execution.job_version;
        if let std::collections::btree_map::Entry::Vacant(entry) = specs.entry(version) {
            entry.insert(lookup::spec(api, job, version).await?);
        }
        items.push(shown.execution(execution, job, &specs[&version]));
    }
    Ok(items)
}

fn asked(params: &Params, job: &Job) -> Result<Page, ApiError> {
    let version = lookup::version(params, job)?;
    let token = params.text("next_token");
    if !token.is_empty() {
        let Token { sort, reverse, limit, position } = Token::parse(token)?;
        let page = Page { version, order: Order::parse(&sort)?, reverse, limit, after: Some(position) };
        return if page.is_valid() { Ok(page) } else { Err(ApiError::bad_token(token)) };
    }
    Ok(Page {
        version,
        order: Order::parse(params.text("order_by"))?,
        reverse: params.flag("reverse")?,
        limit: page_size(params.number("limit")?),
        after: None,
    })
}

impl Page {
    /// The first page of one version.
    pub(super) fn of_version(version: u64) -> Self {
        let order = Order::Kept(ExecutionOrder::Created);
        Self { version: Some(version), order, reverse: false, limit: MAX_ITEMS, after: None }
    }

    fn query(&self, order: ExecutionOrder) -> ExecutionQuery {
        let Self { version, reverse, limit, .. } = *self;
        ExecutionQuery { version, order, reverse, after: self.after.clone(), limit }
    }

    /// Whether it goes on behind a place of its order.
    fn is_valid(&self) -> bool {
        self.after.as_ref().is_none_or(|place| match self.order {
            Order::Kept(order) => self.query(order).is_place(place),
            Order::State => is_place_by_state(place),
        })
    }

    /// Asks for what comes behind `position`.
    fn token(&self, position: String) -> Token {
        Token { sort: self.order.word().into(), reverse: self.reverse, limit: self.limit, position }
    }
}

impl Order {
    fn parse(word: &str) -> Result<Self, ApiError> {
        match word {
            "" | "create_time" | "created_at" => Ok(Self::Kept(ExecutionOrder::Created)),
            "modify_time" | "modified_at" => Ok(Self::Kept(ExecutionOrder::Modified)),
            "id" => Ok(Self::Kept(ExecutionOrder::Id)),
            "state" => Ok(Self::State),
            other => Err(ApiError::bad_request(format!(
                "invalid order_by {other:?}: expected created_at, modified_at, id or state"
            ))),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Kept(ExecutionOrder::Created) => "created_at",
            Self::Kept(ExecutionOrder::Modified) => "modified_at",
            Self::Kept(ExecutionOrder::Id) => "id",
            Self::State => "state",
        }
    }
}
