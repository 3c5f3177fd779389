//! Pages of jobs (api.md 3.3).
//!
//! Every order has an index, so a page costs what it holds however many jobs there are. A selector that matches few, and
//! a namespace in another order than by age, look at a bounded number of jobs per page.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use bacalhau_protocol::api::{self, ListResponse};
use bacalhau_protocol::model::Constraint;
use bacalhau_protocol::selector;

use super::show;
use crate::api::answer::Answer;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::page::{Token, page_size};
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::state::{JobOrder, JobQuery, ListedJob};

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
    /// Absent on the first page.
    place: Option<String>,
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
    let (jobs, next) = page(&api, &asked).await?;
    let next_token = next.map(|place| asked.token(place).to_string()).unwrap_or_default();
    let items = jobs.iter().map(|job| show::job(&caller, &job.head, job.head.version, &job.spec)).collect();
    Ok(Answer(ListResponse { next_token, items }))
}

/// A page, and the place behind which the next one begins: that of the last job that was looked at.
async fn page(api: &Api, asked: &Asked) -> Result<(Vec<ListedJob>, Option<String>), ApiError> {
    let reader = api.parts.orchestrator.reader();
    let mut query = asked.query();
    let (mut jobs, mut looked_at) = (Vec::new(), 0);
    loop {
        let page = reader.list(&query).await?;
        let fetched = page.jobs.len();
        looked_at += fetched;
        for (index, job) in page.jobs.into_iter().enumerate() {
            let place = job.place.clone();
            if asked.wants(&job) {
                jobs.push(job);
            }
            if jobs.len() == asked.limit {
                let has_more = index + 1 < fetched || page.more;
                return Ok((jobs, has_more.then_some(place)));
            }
        }
        if !page.more {
            return Ok((jobs, None));
        }
        if looked_at >= MAX_LOOKED_AT {
            return Ok((jobs, page.last));
        }
        query.after = page.last;
    }
}

impl Asked {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let namespace = Some(params.text("namespace")).filter(|name| !matches!(*name, "" | "*"));
        let (namespace, selector) = (namespace.map(str::to_owned), params.selector()?);
        let token = params.text("next_token");
        if !token.is_empty() {
            let Token { sort, reverse, limit, position } = Token::parse(token)?;
            let place = Some(position).filter(|place| !place.is_empty());
            let asked = Self { namespace, selector, order: Order::parse(&sort)?, reverse, limit, place };
            return match &asked.place {
                Some(place) if !asked.kept_order().is_place(place) => Err(ApiError::bad_token(token)),
                _ => Ok(asked),
            };
        }
        Ok(Self {
            namespace,
            selector,
            order: Order::parse(params.text("order_by"))?,
            reverse: params.flag("reverse")?,
            limit: page_size(params.number("limit")?),
            place: None,
        })
    }

    fn kept_order(&self) -> JobOrder {
        match self.order {
            Order::Created => JobOrder::Created(self.namespace.clone()),
            Order::Modified => JobOrder::Modified,
            Order::Id => JobOrder::Id,
        }
    }

    fn query(&self) -> JobQuery {
        let takes_all =
            self.selector.is_empty() && (self.order == Order::Created || self.namespace.is_none());
        JobQuery {
            order: self.kept_order(),
            reverse: self.reverse,
            after: self.place.clone(),
            limit: if takes_all { self.limit } else { BATCH },
        }
    }

    fn wants(&self, job: &ListedJob) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == job.head.namespace)
            && selector::matches(&self.selector, &job.spec.labels)
    }

    fn token(&self, position: String) -> Token {
        Token { sort: self.order.word().to_owned(), reverse: self.reverse, limit: self.limit, position }
    }
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
}
