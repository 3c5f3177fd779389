//! The LMDB files of a journal.

use std::collections::BTreeMap;
use std::path::Path;

use bacalhau_wal::Durability;
use bytes::Bytes;
use heed::types::Bytes as Raw;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, MdbError, WithoutTls};

use super::Facts;
use super::entry::{self, Stored};
use crate::execution::Record;

/// Largest journal, bytes: a few thousand executions, and address space that a 32-bit board can spare.
const MAX_MAP_BYTES: usize = 64 << 20;
/// What executions may take of it, bytes, by [`entry::size`]: half, since LMDB copies what it changes, and uses again
/// only the pages of the transaction before the last.
pub(super) const MAX_EXECUTION_BYTES: usize = MAX_MAP_BYTES / 2;
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

    /// Takes over everything up to commit `number`: in one transaction, or, if there is no room, what is deleted before the
    /// rest, which is given up on its own if it still does not fit.
    pub(super) fn store(&mut self, latest: &Latest, number: u64) -> Result<(), heed::Error> {
        match self.store_all(latest, number) {
            Err(heed::Error::Mdb(MdbError::MapFull)) => {
                let deleted = latest.iter().filter(|(_, value)| value.is_none());
                let deleted: Latest = deleted.map(|(key, _)| (key.clone(), None)).collect();
                let stored = self.number()?;
                // Freed pages are used again in the next transaction but one.
                self.store_all(&deleted, stored)?;
                self.store_all(&Latest::new(), stored)?;
                self.store_all(latest, number)
            }
            stored => stored,
        }
    }

    fn store_all(&self, latest: &Latest, number: u64) -> Result<(), heed::Error> {
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

    /// Reads everything, with what the log says since, and moves what cannot be read out of the way.
    pub(super) fn recover(&mut self, log: &Latest) -> Result<Contents, heed::Error> {
        let mut contents = Contents::default();
        let mut damaged = Vec::new();
        {
            let txn = self.env.read_txn()?;
            let stored = self.entries.iter(&txn)?;
            let stored = stored.filter(|entry| !entry.as_ref().is_ok_and(|(key, _)| log.contains_key(*key)));
            let news = log.iter().filter_map(|(key, value)| Some((key.as_ref(), value.as_deref()?)));
            for entry in stored.chain(news.map(Ok)) {
                let (key, value) = entry?;
                match entry::decode(key, value) {
                    Ok(Stored::Execution(record)) => contents.executions.push(*record),
                    Ok(Stored::Facts(facts)) => contents.facts = facts,
                    Err(damage) => {
                        contents.damaged.push(format!("{}: {damage}", entry::name(key)));
                        damaged.push((key.to_vec(), value.to_vec()));
                    }
                }
            }
        }
        contents.executions.sort_by(|one, other| one.execution_id.cmp(&other.execution_id));
        if !damaged.is_empty()
            && let Err(error) = self.put_away(&damaged)
        {
            tracing::warn!(%error, "damaged records cannot be moved out of the way; the next start tries again");
        }
        Ok(contents)
    }

    fn put_away(&self, damaged: &[(Vec<u8>, Vec<u8>)]) -> Result<(), heed::Error> {
        let mut txn = self.env.write_txn()?;
        for (number, (key, value)) in damaged.iter().enumerate() {
            self.entries.delete(&mut txn, key)?;
            if number < MAX_DAMAGED {
                self.damaged.put(&mut txn, key, value)?;
            }
        }
        txn.commit()
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
