//! Stored values: two bytes `{record kind, version}`, then postcard. A reader knows the form before its own, so an
//! upgrade is a chain of small functions.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a stored value holds. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// [`crate::model::Job`].
    Job = 1,
    /// [`crate::model::JobSpec`].
    JobSpec = 2,
    /// [`crate::model::Execution`].
    Execution = 3,
    /// One entry of a job's history.
    History = 4,
    /// A node's membership, key and last information.
    Node = 5,
    /// A secret or key of the cluster.
    Secret = 6,
    /// An agent's execution with its work.
    JournalExecution = 20,
    /// An agent's facts: sequence, time, pinned authorities.
    JournalFacts = 21,
}

/// Why a stored value cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not this kind of record.
    #[error("expected a stored {expected:?}, found kind {found}")]
    Kind {
        /// What was asked for.
        expected: Kind,
        /// The number found.
        found: u8,
    },
    /// Written by a newer build.
    #[error("stored {kind:?} has version {found}, this build knows up to {known}; use the newer build")]
    Version {
        /// The record.
        kind: Kind,
        /// Its version.
        found: u8,
        /// The newest one known.
        known: u8,
    },
    /// Fewer than two bytes.
    #[error("a stored value is empty or cut off")]
    Short,
    /// The body is damaged.
    #[error("stored {kind:?} cannot be read")]
    Malformed {
        /// The record.
        kind: Kind,
        /// What postcard says.
        source: postcard::Error,
    },
}

/// The version written by this build.
pub const VERSION: u8 = 1;

/// Encodes a value to be stored.
pub fn encode<T: Serialize>(kind: Kind, value: &T) -> Bytes {
    let start = vec![kind as u8, VERSION];
    postcard::to_extend(value, start).expect("stored types hold only what postcard can write").into()
}

/// Decodes a stored value.
pub fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, RecordError> {
    let [found, version, body @ ..] = bytes else { return Err(RecordError::Short) };
    if *found != kind as u8 {
        return Err(RecordError::Kind { expected: kind, found: *found });
    }
    if *version != VERSION {
        return Err(RecordError::Version { kind, found: *version, known: VERSION });
    }
    postcard::from_bytes(body).map_err(|source| RecordError::Malformed { kind, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_a_wrong_one_is_refused() {
        let bytes = encode(Kind::Secret, &"value");
        assert_eq!(decode::<String>(Kind::Secret, &bytes).unwrap(), "value");
        assert!(matches!(decode::<String>(Kind::Job, &bytes), Err(RecordError::Kind { found: 6, .. })));
        assert!(matches!(decode::<String>(Kind::Secret, &[6]), Err(RecordError::Short)));
        assert!(matches!(
            decode::<String>(Kind::Secret, &[6, 9]),
            Err(RecordError::Version { found: 9, .. })
        ));
        assert!(matches!(decode::<String>(Kind::Secret, &[6, 1, 9]), Err(RecordError::Malformed { .. })));
    }
}
