//! The LMDB files of a journal.

use std::path::Path;

use bacalhau_protocol::wire::record::{self, Kind, RecordError};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RwTxn, WithoutTls};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Change, Facts};
use crate::execution::Record;

/// Largest journal, bytes: a few thousand executions, and address space that a 32-bit board can spare.
const MAX_MAP_BYTES: usize = 64 << 20;
/// Damaged records kept for whoever looks into them.
const MAX_DAMAGED: usize = 64;
const FACTS_KEY: &[u8] = b"facts";

pub(super) struct Environment {
    env: Env<WithoutTls>,
    executions: Database<Bytes, Bytes>,
    facts: Database<Bytes, Bytes>,
    damaged: Database<Bytes, Bytes>,
}

/// Everything in a journal, with what is wrong with the rest.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) executions: Vec<Record>,
    pub(super) facts: Facts,
    pub(super) damaged: Vec<String>,
}

/// Why a stored value is of no use.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error("its checksum is wrong")]
    Checksum,
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Environment {
    /// The caller holds the journal's lock: LMDB's own needs robust mutexes, which user-mode emulators lack, and would
    /// guard against nothing more.
    pub(super) fn open(directory: &Path) -> Result<Self, heed::Error> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAX_MAP_BYTES).max_dbs(3);
        // SAFETY: one process, by its lock file, and in it one thread at a time uses the environment.
        unsafe { options.flags(EnvFlags::NO_LOCK) };
        // SAFETY: nothing else maps or truncates the files.
        let env = unsafe { options.open(directory)? };
        let mut txn = env.write_txn()?;
        let executions = env.create_database(&mut txn, Some("executions"))?;
        let facts = env.create_database(&mut txn, Some("facts"))?;
        let damaged = env.create_database(&mut txn, Some("damaged"))?;
        txn.commit()?;
        Ok(Self { env, executions, facts, damaged })
    }

    /// Reads everything and moves what cannot be read out of the way.
    pub(super) fn recover(&mut self) -> Result<Contents, heed::Error> {
        let mut contents = Contents::default();
        let mut damaged = Vec::new();
        {
            let txn = self.env.read_txn()?;
            for entry in self.executions.iter(&txn)? {
                let (key, value) = entry?;
                match unseal(Kind::JournalExecution, value) {
                    Ok(record) => contents.executions.push(record),
                    Err(damage) => damaged.push((self.executions, key.to_vec(), value.to_vec(), damage)),
                }
            }
            if let Some(value) = self.facts.get(&txn, FACTS_KEY)? {
                match unseal(Kind::JournalFacts, value) {
                    Ok(facts) => contents.facts = facts,
                    Err(damage) => damaged.push((self.facts, FACTS_KEY.to_vec(), value.to_vec(), damage)),
                }
            }
        }
        if !damaged.is_empty() {
            let mut txn = self.env.write_txn()?;
            for (database, key, value, damage) in damaged {
                contents.damaged.push(format!("{}: {damage}", String::from_utf8_lossy(&key)));
                database.delete(&mut txn, &key)?;
                if contents.damaged.len() <= MAX_DAMAGED {
                    self.damaged.put(&mut txn, &key, &value)?;
                }
            }
            txn.commit()?;
        }
        Ok(contents)
    }

    /// One transaction, one sync.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<(), heed::Error> {
        let mut txn = self.env.write_txn()?;
        for change in changes {
            self.apply(&mut txn, change)?;
        }
        txn.commit()
    }

    fn apply(&self, txn: &mut RwTxn<'_>, change: &Change) -> Result<(), heed::Error> {
        match change {
            Change::Put(record) => {
                let key = record.execution_id.as_str().as_bytes();
                self.executions.put(txn, key, &seal(Kind::JournalExecution, record))
            }
            Change::Delete(id) => self.executions.delete(txn, id.as_str().as_bytes()).map(drop),
            Change::Facts(facts) => self.facts.put(txn, FACTS_KEY, &seal(Kind::JournalFacts, facts)),
        }
    }

    /// Ends all use of the files.
    pub(super) fn close(self) {
        self.env.prepare_for_closing().wait();
    }

    #[cfg(test)]
    pub(super) fn overwrite(&mut self, id: &str, value: &[u8]) {
        let mut txn = self.env.write_txn().unwrap();
        self.executions.put(&mut txn, id.as_bytes(), value).unwrap();
        txn.commit().unwrap();
    }
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
    use super::*;

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut sealed = seal(Kind::JournalFacts, &Facts::default());
        assert!(unseal::<Facts>(Kind::JournalFacts, &sealed).is_ok());
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        assert!(matches!(unseal::<Facts>(Kind::JournalFacts, &sealed), Err(Damage::Checksum)));
        assert!(matches!(unseal::<Facts>(Kind::JournalFacts, &[1]), Err(Damage::Checksum)));
    }
}
