//! The LMDB files of a journal.

use std::collections::BTreeMap;
use std::path::Path;

use bacalhau_wal::Durability;
use bytes::Bytes;
use heed::types::Bytes as Raw;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, WithoutTls};

use super::Facts;
use super::entry::{self, Stored};
use crate::execution::Record;

/// Largest journal, bytes: a few thousand executions, and address space that a 32-bit board can spare.
const MAX_MAP_BYTES: usize = 64 << 20;
/// Damaged records kept for whoever looks into them.
const MAX_DAMAGED: usize = 64;
const NUMBER_KEY: &[u8] = b"number";

/// Keys with their last values; none where there is none any more.
pub(super) type Latest = BTreeMap<Bytes, Option<Bytes>>;

#[derive(Clone)]
pub(super) struct Environment {
    env: Env<WithoutTls>,
    entries: Database<Raw, Raw>,
    damaged: Database<Raw, Raw>,
    meta: Database<Raw, Raw>,
}

/// Everything in a journal, with what is wrong with the rest.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) executions: Vec<Record>,
    pub(super) facts: Facts,
    pub(super) damaged: Vec<String>,
}

impl Environment {
    /// The caller holds the journal's lock: LMDB's own needs robust mutexes, which user-mode emulators lack, and would
    /// guard against nothing more.
    pub(super) fn open(directory: &Path, durability: Durability) -> Result<Self, heed::Error> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAX_MAP_BYTES).max_dbs(3);
        // SAFETY: one process, by its lock file, and in it one thread at a time uses the environment.
        unsafe { options.flags(EnvFlags::NO_LOCK) };
        if durability == Durability::PageCache {
            // SAFETY: gives up on power cuts, as it was asked to.
            unsafe { options.flags(EnvFlags::NO_LOCK | EnvFlags::NO_SYNC) };
        }
        // SAFETY: nothing else maps or truncates the files.
        let env = unsafe { options.open(directory)? };
        let mut txn = env.write_txn()?;
        let entries = env.create_database(&mut txn, Some("entries"))?;
        let damaged = env.create_database(&mut txn, Some("damaged"))?;
        let meta = env.create_database(&mut txn, Some("meta"))?;
        txn.commit()?;
        Ok(Self { env, entries, damaged, meta })
    }

    /// Number of the last commit that it holds.
    pub(super) fn number(&self) -> Result<u64, heed::Error> {
        let txn = self.env.read_txn()?;
        let stored = self.meta.get(&txn, NUMBER_KEY)?.unwrap_or_default();
        Ok(stored.try_into().map_or(0, u64::from_be_bytes))
    }

    /// Takes over everything up to commit `number`, in one transaction.
    pub(super) fn store(&mut self, latest: &Latest, number: u64) -> Result<(), heed::Error> {
        let mut txn = self.env.write_txn()?;
        for (key, value) in latest {
            match value {
                Some(value) => self.entries.put(&mut txn, key, value)?,
                None => drop(self.entries.delete(&mut txn, key)?),
            }
        }
        self.meta.put(&mut txn, NUMBER_KEY, &number.to_be_bytes())?;
        txn.commit()
    }

    /// Reads everything and moves what cannot be read out of the way.
    pub(super) fn recover(&mut self) -> Result<Contents, heed::Error> {
        let mut contents = Contents::default();
        let mut damaged = Vec::new();
        {
            let txn = self.env.read_txn()?;
            for entry in self.entries.iter(&txn)? {
                let (key, value) = entry?;
                match entry::decode(key, value) {
                    Ok(Stored::Execution(record)) => contents.executions.push(*record),
                    Ok(Stored::Facts(facts)) => contents.facts = facts,
                    Err(damage) => damaged.push((key.to_vec(), value.to_vec(), damage)),
                }
            }
        }
        if !damaged.is_empty() {
            let mut txn = self.env.write_txn()?;
            for (key, value, damage) in damaged {
                contents.damaged.push(format!("{}: {damage}", entry::name(&key)));
                self.entries.delete(&mut txn, &key)?;
                if contents.damaged.len() <= MAX_DAMAGED {
                    self.damaged.put(&mut txn, &key, &value)?;
                }
            }
            txn.commit()?;
        }
        Ok(contents)
    }

    /// Ends all use of the files.
    pub(super) fn close(self) {
        self.env.prepare_for_closing().wait();
    }

    #[cfg(test)]
    pub(super) fn overwrite(&mut self, key: &str, value: &[u8]) {
        let mut txn = self.env.write_txn().unwrap();
        self.entries.put(&mut txn, key.as_bytes(), value).unwrap();
        txn.commit().unwrap();
    }
}
