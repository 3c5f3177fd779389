//! A job's executions (api.md 3.8).

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

/// Which executions to show, and in which order.
pub(super) struct Page {
    /// Of all versions when absent.
    version: Option<u64>,
    order: Order,
    reverse: bool,
    limit: usize,
    /// What the page before ended with; absent on the first one.
    after: Option<Place>,
}

/// Where an execution stands: stays valid while executions come.
type Place = (i64, ExecutionId);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Created,
    Modified,
    Id,
    State,
}

impl Page {
    /// Asks for what comes behind `last`.
    fn token(&self, last: &Execution) -> Token {
        let (at, id) = self.order.place(last);
        let position = format!("{at}/{id}");
        Token { sort: self.order.word().into(), reverse: self.reverse, limit: self.limit, position }
    }

    /// The first page of one version.
    pub(super) fn of_version(version: u64) -> Self {
        Self { version: Some(version), order: Order::Created, reverse: false, limit: MAX_ITEMS, after: None }
    }
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
    let mut executions = api.parts.orchestrator.reader().executions(&job.id).await?;
    executions.retain(|execution| page.version.is_none_or(|version| execution.job_version == version));
    let is_behind = |place: Place, after| if page.reverse { place < after } else { place > after };
    if let Some(after) = &page.after {
        executions.retain(|execution| is_behind(page.order.place(execution), after.clone()));
    }
    executions.sort_by_cached_key(|execution| page.order.place(execution));
    if page.reverse {
        executions.reverse();
    }
    let has_more = executions.len() > page.limit;
    executions.truncate(page.limit);
    let last = executions.last().filter(|_| has_more);
    let next_token = last.map(|last| page.token(last).to_string()).unwrap_or_default();
    Ok(ListResponse { next_token, items: show(api, job, &executions, shown).await? })
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
        let after = Some(parse_place(&position).ok_or_else(|| ApiError::bad_token(token))?);
        return Ok(Page { version, order: Order::parse(&sort)?, reverse, limit, after });
    }
    Ok(Page {
        version,
        order: Order::parse(params.text("order_by"))?,
        reverse: params.flag("reverse")?,
        limit: page_size(params.number("limit")?),
        after: None,
    })
}

fn parse_place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('/')?;
    Some((at.parse().ok()?, ExecutionId::parse(id).ok()?))
}

impl Order {
    fn place(self, execution: &Execution) -> Place {
        let at = match self {
            Self::Created => execution.created.0,
            Self::Modified => execution.modified.0,
            Self::Id => 0,
            Self::State => i64::from(execution.compute_state().number()),
        };
        (at, execution.id.clone())
    }

    fn parse(word: &str) -> Result<Self, ApiError> {
        match word {
            "" | "create_time" | "created_at" => Ok(Self::Created),
            "modify_time" | "modified_at" => Ok(Self::Modified),
            "id" => Ok(Self::Id),
            "state" => Ok(Self::State),
            other => Err(ApiError::bad_request(format!(
                "invalid order_by {other:?}: expected created_at, modified_at, id or state"
            ))),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Created => "created_at",
            Self::Modified => "modified_at",
            Self::Id => "id",
            Self::State => "state",
        }
    }
}
