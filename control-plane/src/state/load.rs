//! Reading the working set at start: what is in progress and all nodes, nothing of what is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::Execution;
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::record::{self, Kind, RecordError};

use super::keys;
use super::node::NodeRecord;
use super::read::{ReadError, Reader};
use super::world::{LiveJob, World};
use crate::store::{self, Entry, Store, prefix_end};

/// Entries read at a time.
const PAGE: usize = 512;

/// Why the state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store failed.
    #[error("reading the store")]
    Store(#[from] store::Error),
    /// A record cannot be understood.
    #[error("reading the record {key}")]
    Record {
        /// Its key.
        key: String,
        /// Why.
        source: RecordError,
    },
    /// A record of a job in progress is missing or damaged.
    #[error("reading job {0}")]
    Job(JobId, #[source] ReadError),
}

impl World {
    /// Reads the working set. Nodes count as silent since `now`: their grace begins with this start.
    pub async fn load(store: &Arc<dyn Store>, now: Timestamp) -> Result<Self, LoadError> {
        let mut world = Self::default();
        for entry in all(store, &keys::nodes()).await? {
            let record: NodeRecord = decode(Kind::Node, &entry)?;
            world.put_node(Arc::new(record), now);
        }
        let reader = Reader::new(store.clone());
        for entry in all(store, &keys::all_live()).await? {
            let Some(id) = keys::last_part(&entry.key).and_then(|text| JobId::parse(text).ok()) else {
                continue;
            };
            let job = load_job(&reader, &id).await.map_err(|source| LoadError::Job(id.clone(), source))?;
            if let Some(job) = job.filter(|job| !job.is_settled()) {
                world.insert_job(job);
            }
        }
        Ok(world)
    }
}

/// Reads one job as the working set holds it. Reads all its executions.
async fn load_job(reader: &Reader, id: &JobId) -> Result<Option<LiveJob>, ReadError> {
    let Some(head) = reader.head(id).await? else { return Ok(None) };
    let spec = reader.spec(id, head.version).await?;
    let executions: Vec<Execution> = reader.executions(id).await?;
    let executions: BTreeMap<_, _> = executions
        .into_iter()
        .filter(|execution| execution.job_version == head.version || execution.may_be_running())
        .map(|execution| (execution.id.clone(), Arc::new(execution)))
        .collect();
    Ok(Some(LiveJob::new(Arc::new(head), Arc::new(spec), executions)))
}

/// All entries under a prefix, page by page.
async fn all(store: &Arc<dyn Store>, prefix: &[u8]) -> Result<Vec<Entry>, store::Error> {
    let (mut start, end) = (prefix.to_vec(), prefix_end(prefix));
    let mut entries = Vec::new();
    loop {
        let page = store.range(start.clone().into(), end.clone(), PAGE, false).await?;
        entries.extend(page.entries);
        match entries.last() {
            Some(last) if page.more => {
                start = last.key.to_vec();
                start.push(0);
            }
            _ => return Ok(entries),
        }
    }
}

fn decode<T: serde::de::DeserializeOwned>(kind: Kind, entry: &Entry) -> Result<T, LoadError> {
    record::decode(kind, &entry.value)
        .map_err(|source| LoadError::Record { key: String::from_utf8_lossy(&entry.key).into_owned(), source })
}
