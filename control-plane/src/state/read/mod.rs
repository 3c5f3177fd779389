//! Reading what is durable, for callers. Every read costs what it returns, not what is stored.

mod executions;
mod history;
#[cfg(test)]
mod tests;
mod versions;

use std::collections::BTreeSet;
use std::sync::Arc;

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::{Execution, Job, JobSpec};
use bacalhau_protocol::spec::inline;
use bacalhau_protocol::spec::publisher::UrlDownload;
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::record::{self, Kind, RecordError};
use bacalhau_protocol::wire::stream::Sha256Hash;
use bytes::Bytes;

use super::keys;
use super::news::Audience;
use crate::store::{self, Entry, Range, Store, Watch, prefix_end};

pub use self::executions::{ExecutionOrder, ExecutionPage, ExecutionQuery};
pub use self::history::{HistoryPage, HistoryQuery};
pub use self::versions::VersionPage;

/// Entries read from the store at a time.
const PAGE: usize = 256;
/// Entries of the history, or executions of other versions, that are looked at for one page.
const MAX_LOOKED_AT: usize = 10_000;

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error("reading the store")]
    Store(#[from] store::Error),
    /// A stored value is damaged or too new.
    #[error("understanding a stored value")]
    Record(#[from] RecordError),
    /// A job refers to a version that is not there.
    #[error("version {version} of job {job} is not stored")]
    MissingVersion {
        /// The job.
        job: JobId,
        /// The version.
        version: u64,
    },
}

/// What a text that should name a job names.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// This job.
    Found(Box<Job>),
    /// Nothing.
    Nothing,
    /// The start of these ids, and maybe of more.
    Several(Vec<JobId>),
}

/// An order in which jobs are kept.
#[derive(Clone, Debug)]
pub enum JobOrder {
    /// By age, in one namespace or over all.
    Created(Option<String>),
    /// By last change, over all namespaces.
    Modified,
    /// By id, over all namespaces.
    Id,
}

/// Which jobs a listing asks for.
#[derive(Clone, Debug)]
pub struct JobQuery {
    /// In which order.
    pub order: JobOrder,
    /// Last one first.
    pub reverse: bool,
    /// Go on behind this place, as given with a job of a page before.
    pub after: Option<String>,
    /// Most jobs on the page.
    pub limit: usize,
}

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<ListedJob>,
    /// More follow behind `last`.
    pub more: bool,
    /// Place of the last entry that was looked at.
    pub last: Option<String>,
}

/// As keys hold numbers.
fn is_number(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A job in a listing.
#[derive(Clone, Debug)]
pub struct ListedJob {
    /// Where it stands in the order. Valid while jobs come and go.
    pub place: String,
    /// Its head.
    pub head: Job,
    /// The specification of its current version.
    pub spec: JobSpec,
}

impl JobOrder {
    fn prefix(&self) -> Bytes {
        match self {
            Self::Created(namespace) => keys::listing(namespace.as_deref()),
            Self::Modified => keys::all_changed(),
            Self::Id => keys::jobs(""),
        }
    }

    /// Whether `place` can be one of this order. A key made of it begins with the order's prefix in any case.
    pub fn is_place(&self, place: &str) -> bool {
        match (self, place.split_once('/')) {
            (Self::Id, None) => JobId::parse(place).is_ok(),
            (Self::Created(_) | Self::Modified, Some((time, id))) => {
                is_number(time) && JobId::parse(id).is_ok()
            }
            _ => false,
        }
    }
}

/// Reads what is durable.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    pub(super) audience: Arc<Audience>,
}

impl Reader {
    /// Reads from `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, audience: Arc::default() }
    }

    /// The head of a job.
    pub async fn head(&self, id: &JobId) -> Result<Option<Job>, ReadError> {
        let entry = self.store.get(keys::job(id)).await?;
        Ok(entry.map(|entry| record::decode(Kind::Job, &entry.value)).transpose()?)
    }

    /// One version of a job's specification.
    pub async fn spec(&self, id: &JobId, version: u64) -> Result<JobSpec, ReadError> {
        let entry = self.store.get(keys::version(id, version)).await?;
        let entry = entry.ok_or_else(|| ReadError::MissingVersion { job: id.clone(), version })?;
        Ok(record::decode(Kind::JobSpec, &entry.value)?)
    }

    /// The job that holds a name.
    pub async fn named(&self, namespace: &str, name: &str) -> Result<Option<JobId>, ReadError> {
        let entry = self.store.get(keys::name(namespace, name)).await?;
        Ok(entry.and_then(|entry| JobId::parse(std::str::from_utf8(&entry.value).ok()?).ok()))
    }

    /// Finds a job by name in a namespace, by id, or by the start of an id (api.md 3.4). A whole id that was generated
    /// goes before a name: who has it means that job, whatever somebody called another one.
    pub async fn lookup(&self, text: &str, namespace: &str) -> Result<Lookup, ReadError> {
        let as_id = JobId::parse(text).ok();
        if let Some(id) = as_id.as_ref().filter(|id| id.is_generated())
            && let Some(job) = self.head(id).await?
        {
            return Ok(Lookup::Found(Box::new(job)));
        }
        let by_name = self.named(namespace, text).await?;
        let Some(id) = by_name.or(as_id) else { return Ok(Lookup::Nothing) };
        if let Some(job) = self.head(&id).await? {
            return Ok(Lookup::Found(Box::new(job)));
        }
        let start = keys::jobs(text);
        let range = self.store.range(start.clone(), prefix_end(&start), 4, false).await?;
        match range.entries.as_slice() {
            [] => Ok(Lookup::Nothing),
            [one] => Ok(Lookup::Found(Box::new(record::decode(Kind::Job, &one.value)?))),
            several => {
                Ok(Lookup::Several(several.iter().filter_map(|entry| keys::listed_job(&entry.key)).collect()))
            }
        }
    }

    /// All executions of a job, of all versions.
    pub async fn executions(&self, id: &JobId) -> Result<Vec<Execution>, ReadError> {
        let mut executions = Vec::new();
        self.scan(&keys::executions(id), |entry| {
            executions.push(record::decode(Kind::Execution, &entry.value)?);
            Ok(true)
        })
        .await?;
        Ok(executions)
    }

    /// One execution of a job.
    pub async fn execution(&self, job: &JobId, id: &ExecutionId) -> Result<Option<Execution>, ReadError> {
        let entry = self.store.get(keys::execution(job, id)).await?;
        Ok(entry.map(|entry| record::decode(Kind::Execution, &entry.value)).transpose()?)
    }

    /// One page of jobs.
    pub async fn list(&self, query: &JobQuery) -> Result<JobPage, ReadError> {
        let prefix = query.order.prefix();
        let (mut start, mut end) = (prefix.clone(), prefix_end(&prefix));
        let behind = query.after.as_ref().map(|place| [&prefix[..], place.as_bytes()].concat());
        match behind {
            Some(key) if query.reverse => end = key.into(),
            Some(key) => start = [&key[..], b"\0"].concat().into(),
            None => {}
        }
        let range = self.store.range(start, end, query.limit, query.reverse).await?;
        let mut page =
            JobPage { jobs: Vec::with_capacity(range.entries.len()), more: range.more, last: None };
        for entry in &range.entries {
            let place =
                String::from_utf8_lossy(entry.key.get(prefix.len()..).unwrap_or_default()).into_owned();
            if let Some(id) = keys::listed_job(&entry.key)
                && let Some(head) = self.head(&id).await?
            {
                let spec = self.spec(&id, head.version).await?;
                page.jobs.push(ListedJob { place: place.clone(), head, spec });
            }
            page.last = Some(place);
        }
        Ok(page)
    }

    /// Jobs that ended before `before` with their places in the order of ends, oldest first, from behind the place
    /// `after` on.
    pub async fn ended_before(
        &self,
        before: Timestamp,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, JobId)>, ReadError> {
        let nothing = JobId::from_random([0; 16]);
        let start = after.map_or_else(keys::all_ended, |last| [&last[..], b"\0"].concat().into());
        let range = self.store.range(start, keys::ended(before, &nothing), limit, false).await?;
        let place = |entry: Entry| Some((entry.key.clone(), keys::listed_job(&entry.key)?));
        Ok(range.entries.into_iter().filter_map(place).collect())
    }

    /// Blobs that stored jobs and results refer to. Reads all of them, so it is for housekeeping, not for callers.
    pub async fn referenced_blobs(&self) -> Result<BTreeSet<Sha256Hash>, ReadError> {
        let mut referenced = BTreeSet::new();
        self.scan(&keys::all_versions(), |entry| {
            let spec: JobSpec = record::decode(Kind::JobSpec, &entry.value)?;
            let blobs = spec.task.inputs.iter().filter_map(|input| inline::blob_of(&input.source));
            referenced.extend(blobs.map(|blob| blob.hash));
            Ok(true)
        })
        .await?;
        self.scan(&Bytes::from_static(keys::all_executions()), |entry| {
            let execution: Execution = record::decode(Kind::Execution, &entry.value)?;
            let published = execution.published.and_then(|config| UrlDownload::parse(&config).ok());
            referenced.extend(published.and_then(|archive| archive.sha256));
            Ok(true)
        })
        .await?;
        Ok(referenced)
    }

    /// Every change after what can be read now.
    pub(super) async fn watch_from_now(&self) -> Result<Watch, ReadError> {
        let nothing = keys::nodes();
        loop {
            let revision = self.store.range(nothing.clone(), nothing.clone(), 1, false).await?.revision;
            // Where so much happened in between that the log has moved on, it is asked again where it stands.
            if let Ok(watch) = self.store.watch(revision + 1) {
                return Ok(watch);
            }
        }
    }

    async fn scan(
        &self,
        prefix: &Bytes,
        each: impl FnMut(&Entry) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        self.scan_from(prefix, prefix, each).await
    }

    /// Calls `each` with the entries under `prefix` from `start` on until it says `false`.
    async fn scan_from(
        &self,
        start: &Bytes,
        prefix: &Bytes,
        mut each: impl FnMut(&Entry) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let (mut start, end) = (start.clone(), prefix_end(prefix));
        loop {
            let Range { entries, more, .. } = self.store.range(start, end.clone(), PAGE, false).await?;
            for entry in &entries {
                if !each(entry)? {
                    return Ok(());
                }
            }
            match entries.last() {
                Some(last) if more => start = [&last.key[..], b"\0"].concat().into(),
                _ => return Ok(()),
            }
        }
    }
}
