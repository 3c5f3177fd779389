//! Pages of a job's executions.

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::{Execution, Job};
use bacalhau_protocol::wire::record::{self, Kind};
use bytes::Bytes;

use super::{MAX_LOOKED_AT, PAGE, ReadError, Reader, is_number};
use crate::state::keys;
use crate::store::{Entry, prefix_end};

/// An order in which the executions of a job are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionOrder {
    /// By age; versions follow each other.
    Created,
    /// By last change.
    Modified,
    /// By id.
    Id,
}

/// Which executions of a job are asked for.
#[derive(Clone, Debug)]
pub struct ExecutionQuery {
    /// Of this version; of all when absent.
    pub version: Option<u64>,
    /// In which order.
    pub order: ExecutionOrder,
    /// Last one first.
    pub reverse: bool,
    /// Go on behind this place, as [`ExecutionQuery::place`] tells it.
    pub after: Option<String>,
    /// Most executions on the page.
    pub limit: usize,
}

/// One page of a job's executions.
#[derive(Clone, Debug, Default)]
pub struct ExecutionPage {
    /// The executions.
    pub executions: Vec<Execution>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl ExecutionQuery {
    /// Where an execution stands in this order. Valid while executions come and change.
    pub fn place(&self, execution: &Execution) -> String {
        let job = &execution.job_id;
        let (key, prefix) = match self.order {
            ExecutionOrder::Created => (keys::made(execution), keys::all_made(job, None)),
            ExecutionOrder::Modified => {
                let prefix = keys::all_touched(job, execution.job_version);
                (keys::touched(execution, execution.modified), prefix)
            }
            ExecutionOrder::Id => (keys::execution(job, &execution.id), keys::executions(job)),
        };
        String::from_utf8_lossy(key.get(prefix.len()..).unwrap_or_default()).into_owned()
    }

    /// Whether `place` can be one of this order. A key made of it begins with the order's prefix in any case.
    pub fn is_place(&self, place: &str) -> bool {
        let numbers = match self.order {
            ExecutionOrder::Created => 2,
            ExecutionOrder::Modified => 1,
            ExecutionOrder::Id => 0,
        };
        let parts: Vec<&str> = place.split('/').collect();
        parts.len() == numbers + 1
            && parts[..numbers].iter().all(|part| is_number(part))
            && ExecutionId::parse(parts[numbers]).is_ok()
    }

    /// The keys of `prefix` that come behind `after`, which is a place below `base`.
    fn bounds(&self, base: &Bytes, prefix: &Bytes) -> (Bytes, Bytes) {
        let (mut start, mut end) = (prefix.clone(), prefix_end(prefix));
        let behind = self.after.as_ref().map(|place| [&base[..], place.as_bytes()].concat());
        match behind {
            Some(key) if self.reverse => end = end.min(key.into()),
            Some(key) => start = start.max([&key[..], b"\0"].concat().into()),
            None => {}
        }
        (start, end)
    }
}

impl Reader {
    /// One page of a job's executions. Costs what the page holds, but for two cases: by last change over all versions it
    /// looks at a page of each version since the oldest of which something is kept, and by id in one version at a bounded
    /// number of others, so that a page may be short of items and not be the last.
    pub async fn executions_page(
        &self,
        job: &Job,
        query: &ExecutionQuery,
    ) -> Result<ExecutionPage, ReadError> {
        let id = &job.id;
        match (query.order, query.version) {
            (ExecutionOrder::Created, version) => {
                let bounds = query.bounds(&keys::all_made(id, None), &keys::all_made(id, version));
                let places = self.places(bounds, query).await?;
                self.page_of(id, query, places).await
            }
            (ExecutionOrder::Modified, version) => {
                let versions = match version {
                    Some(version) => version..=version,
                    None => self.oldest_version(id).await?.unwrap_or(job.version)..=job.version,
                };
                let mut places = Vec::new();
                for version in versions {
                    let prefix = keys::all_touched(id, version);
                    let bounds = query.bounds(&prefix, &prefix);
                    places.extend(self.places(bounds, query).await?);
                }
                places.sort();
                if query.reverse {
                    places.reverse();
                }
                self.page_of(id, query, places).await
            }
            (ExecutionOrder::Id, version) => self.page_by_id(id, query, version).await,
        }
    }

    /// The oldest version of which executions are kept.
    async fn oldest_version(&self, id: &JobId) -> Result<Option<u64>, ReadError> {
        let prefix = keys::all_made(id, None);
        let range = self.store.range(prefix.clone(), prefix_end(&prefix), 1, false).await?;
        let version = |entry: &Entry| {
            let place = std::str::from_utf8(entry.key.get(prefix.len()..)?).ok()?;
            u64::from_str_radix(place.split_once('/')?.0, 16).ok()
        };
        Ok(range.entries.first().and_then(version))
    }

    /// The ends of keys, time and id, of a page of an order and one more.
    async fn places(
        &self,
        (start, end): (Bytes, Bytes),
        query: &ExecutionQuery,
    ) -> Result<Vec<(String, String)>, ReadError> {
        let range = self.store.range(start, end, query.limit.saturating_add(1), query.reverse).await?;
        let place = |entry: &Entry| {
            let (before, id) = std::str::from_utf8(&entry.key).ok()?.rsplit_once('/')?;
            Some((before.rsplit_once('/')?.1.to_owned(), id.to_owned()))
        };
        Ok(range.entries.iter().filter_map(place).collect())
    }

    /// Reads the executions of the first places. One that changed meanwhile is shown as it is now, at its old place.
    async fn page_of(
        &self,
        job: &JobId,
        query: &ExecutionQuery,
        places: Vec<(String, String)>,
    ) -> Result<ExecutionPage, ReadError> {
        let mut page = ExecutionPage::default();
        for (at, id) in places.iter().take(query.limit) {
            let Ok(id) = ExecutionId::parse(id) else { continue };
            let Some(execution) = self.execution(job, &id).await? else { continue };
            page.next = Some(match query.order {
                ExecutionOrder::Modified => format!("{at}/{id}"),
                _ => query.place(&execution),
            });
            page.executions.push(execution);
        }
        page.next = page.next.filter(|_| places.len() > query.limit);
        Ok(page)
    }

    async fn page_by_id(
        &self,
        job: &JobId,
        query: &ExecutionQuery,
        version: Option<u64>,
    ) -> Result<ExecutionPage, ReadError> {
        let prefix = keys::executions(job);
        let (mut start, mut end) = query.bounds(&prefix, &prefix);
        let (mut page, mut looked_at) = (ExecutionPage::default(), 0);
        loop {
            let range =
                self.store.range(start.clone(), end.clone(), query.limit.min(PAGE), query.reverse).await?;
            for (index, entry) in range.entries.iter().enumerate() {
                let execution: Execution = record::decode(Kind::Execution, &entry.value)?;
                let is_last = !range.more && index + 1 == range.entries.len();
                page.next = Some(query.place(&execution)).filter(|_| !is_last);
                if version.is_none_or(|version| version == execution.job_version) {
                    page.executions.push(execution);
                }
                looked_at += 1;
                if page.executions.len() == query.limit || looked_at == MAX_LOOKED_AT {
                    return Ok(page);
                }
            }
            match range.entries.last() {
                Some(last) if range.more && query.reverse => end = last.key.clone(),
                Some(last) if range.more => start = [&last.key[..], b"\0"].concat().into(),
                _ => return Ok(page),
            }
        }
    }

    /// The first two executions of a job whose id begins with `start`.
    pub async fn executions_that_begin(&self, job: &JobId, start: &str) -> Result<Vec<Execution>, ReadError> {
        let start: Bytes = [&keys::executions(job)[..], start.as_bytes()].concat().into();
        let range = self.store.range(start.clone(), prefix_end(&start), 2, false).await?;
        let decode = |entry: &Entry| Ok(record::decode(Kind::Execution, &entry.value)?);
        range.entries.iter().map(decode).collect()
    }
}
