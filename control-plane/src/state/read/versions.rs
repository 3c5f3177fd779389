//! Pages of a job's versions.

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::JobSpec;
use bacalhau_protocol::wire::record::{self, Kind};

use super::{ReadError, Reader};
use crate::state::keys;
use crate::store::prefix_end;

/// Versions read from the store at a time; each may have 256 KiB.
const STEP: usize = 16;
/// Bytes of stored versions after which a page ends.
const ENOUGH_BYTES: usize = 8 * 1024 * 1024;

/// One page of a job's versions.
#[derive(Clone, Debug, Default)]
pub struct VersionPage {
    /// Numbers and specifications, oldest first.
    pub versions: Vec<(u64, JobSpec)>,
    /// More follow.
    pub more: bool,
}

impl Reader {
    /// The versions of a job's specification behind `after`, at most so many and fewer if they are large.
    pub async fn versions(&self, id: &JobId, after: u64, limit: usize) -> Result<VersionPage, ReadError> {
        let (mut start, end) = (keys::version(id, after.saturating_add(1)), prefix_end(&keys::versions(id)));
        let (mut page, mut bytes) = (VersionPage::default(), 0);
        loop {
            let wanted = (limit - page.versions.len()).min(STEP);
            let range = self.store.range(start, end.clone(), wanted, false).await?;
            for entry in &range.entries {
                let number = keys::last_part(&entry.key).and_then(|text| u64::from_str_radix(text, 16).ok());
                page.versions
                    .push((number.unwrap_or_default(), record::decode(Kind::JobSpec, &entry.value)?));
                bytes += entry.value.len();
            }
            page.more = range.more;
            match range.entries.last() {
                Some(last) if range.more && page.versions.len() < limit && bytes < ENOUGH_BYTES => {
                    start = [&last.key[..], b"\0"].concat().into();
                }
                _ => return Ok(page),
            }
        }
    }
}
