//! How changes look on the disk: a key, and a value with its checksum.

use bacalhau_protocol::wire::Work;
use bacalhau_protocol::wire::record::{self, Kind, RecordError};
use bacalhau_wal::change;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Change, Facts};
use crate::execution::Record;

/// In front of an execution's id.
const EXECUTION: &[u8] = b"execution/";
const FACTS: &[u8] = b"facts";

/// What the end of an execution adds to its record, bytes: what it wrote last, and what happened to it.
const END_BYTES: usize = 4096;

/// What is stored under a key.
pub(super) enum Stored {
    Execution(Box<Record>),
    Facts(Facts),
}

/// Why a stored value is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("its checksum is wrong")]
    Checksum,
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Appends changes in the form they have in the log.
pub(super) fn encode(changes: &[Change]) -> Vec<u8> {
    let mut body = Vec::new();
    for change in changes {
        match change {
            Change::Put(record) => {
                let key = [EXECUTION, record.execution_id.as_str().as_bytes()].concat();
                change::put(&mut body, &key, Some(&seal(Kind::JournalExecution, record)));
            }
            Change::Delete(id) => {
                change::put(&mut body, &[EXECUTION, id.as_str().as_bytes()].concat(), None);
            }
            Change::Facts(facts) => {
                change::put(&mut body, FACTS, Some(&seal(Kind::JournalFacts, facts)));
            }
        }
    }
    body
}

/// How much of the journal an execution takes until it is forgotten, bytes.
pub(super) fn size(work: &Work) -> usize {
    postcard::experimental::serialized_size(work).unwrap_or_default() + END_BYTES
}

/// What a value says.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Stored, Damage> {
    if key == FACTS {
        unseal(Kind::JournalFacts, value).map(Stored::Facts)
    } else {
        unseal(Kind::JournalExecution, value).map(|record| Stored::Execution(Box::new(record)))
    }
}

/// The part of a key that people know.
pub(super) fn name(key: &[u8]) -> String {
    String::from_utf8_lossy(key.strip_prefix(EXECUTION).unwrap_or(key)).into_owned()
}

/// A stored value with its CRC-32 in front: LMDB does not check what a worn flash chip gives back.
fn seal<T: Serialize>(kind: Kind, value: &T) -> Vec<u8> {
    let body = record::encode(kind, value);
    let mut sealed = Vec::with_capacity(4 + body.len());
    sealed.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
    sealed.extend_from_slice(&body);
    sealed
}

fn unseal<T: DeserializeOwned>(kind: Kind, sealed: &[u8]) -> Result<T, Damage> {
    let (checksum, body) = sealed.split_first_chunk().ok_or(Damage::Checksum)?;
    if u32::from_be_bytes(*checksum) != crc32fast::hash(body) {
        return Err(Damage::Checksum);
    }
    Ok(record::decode(kind, body)?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut body = Bytes::from(encode(&[Change::Facts(Facts::default())]));
        let (key, value) = change::take(&mut body).unwrap();
        let value = value.unwrap();
        assert!(matches!(decode(&key, &value), Ok(Stored::Facts(_))));
        let mut flipped = value.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(matches!(decode(&key, &flipped), Err(Damage::Checksum)));
        assert!(matches!(decode(&key, &[1]), Err(Damage::Checksum)));
    }
}
