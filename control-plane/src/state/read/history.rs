//! Parts of a job's history.

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::Job;
use bacalhau_protocol::wire::record::{self, Kind};
use bytes::Bytes;

use super::{MAX_LOOKED_AT, ReadError, Reader};
use crate::state::{HistoryEntry, keys};
use crate::store::Entry;

/// Which part of a job's history is asked for.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Sequence of the last entry that was looked at.
    pub after: u64,
    /// Most entries.
    pub limit: usize,
    /// Of this version; of all when absent.
    pub version: Option<u64>,
}

/// A part of a job's history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryPage {
    /// The entries, oldest first.
    pub entries: Vec<HistoryEntry>,
    /// Sequence of the last entry that was looked at.
    pub position: u64,
    /// There is more to look at.
    pub more: bool,
}

impl Reader {
    /// One page of a job's history, oldest first: entries that `wanted` takes. Looks at a bounded number of entries.
    pub async fn history(
        &self,
        job: &Job,
        query: &HistoryQuery,
        wanted: impl Fn(&HistoryEntry) -> bool,
    ) -> Result<HistoryPage, ReadError> {
        let mut from = query.after.saturating_add(1);
        if let Some(version) = query.version.filter(|version| *version > 1) {
            from = from.max(self.first_of_version(job, version).await?);
        }
        let (mut page, mut looked_at) = (HistoryPage { position: query.after, ..HistoryPage::default() }, 0);
        let start = self.history_record_of(&job.id, from).await?;
        self.scan_from(&start, &keys::histories(&job.id), |entry| {
            let entries: Vec<HistoryEntry> = record::decode(Kind::History, &entry.value)?;
            for entry in entries.into_iter().filter(|entry| entry.sequence >= from) {
                if query.version.is_some_and(|version| entry.job_version > version) {
                    return Ok(false);
                }
                let is_wanted =
                    query.version.is_none_or(|version| entry.job_version == version) && wanted(&entry);
                page.more = looked_at == MAX_LOOKED_AT || (is_wanted && page.entries.len() == query.limit);
                if page.more {
                    return Ok(false);
                }
                looked_at += 1;
                page.position = entry.sequence;
                page.entries.extend(is_wanted.then_some(entry));
            }
            Ok(true)
        })
        .await?;
        Ok(page)
    }

    /// Where the history of a version begins. Versions follow each other in it, so halving finds the place.
    async fn first_of_version(&self, job: &Job, version: u64) -> Result<u64, ReadError> {
        // What is before `low` is older; what begins at `high` or behind is not.
        let (mut low, mut high) = (1, job.history.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            let key = self.history_record_of(&job.id, middle).await?;
            let entry = self.store.get(key).await?;
            // What is not there any more was older.
            let decode = |entry: Entry| record::decode(Kind::History, &entry.value);
            let entries: Vec<HistoryEntry> = entry.map(decode).transpose()?.unwrap_or_default();
            match entries.first() {
                Some(first) if first.job_version >= version => high = first.sequence.min(middle),
                _ => low = middle + 1,
            }
        }
        Ok(low.min(high))
    }

    /// Key of the history record that holds `sequence`: the last one that begins at it or before.
    async fn history_record_of(&self, id: &JobId, sequence: u64) -> Result<Bytes, ReadError> {
        let end: Bytes = [&keys::history(id, sequence)[..], b"\0"].concat().into();
        let before = self.store.range(keys::histories(id), end, 1, true).await?;
        Ok(before.entries.first().map_or_else(|| keys::histories(id), |entry| entry.key.clone()))
    }
}
