//! The database: its lock, layout and map size.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use ::heed::types::Bytes as Raw;
use ::heed::{Database, Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, WithoutTls};
use bytes::Bytes;

use super::layers::{Layer, Record};
use super::snapshot::Bounds;
use super::{Durability, Options};
use crate::directory::private_directory;
use crate::store::Revision;

/// Largest map, and so largest store, in bytes.
pub const MAX_MAP_BYTES: usize = if usize::BITS == 64 { 1 << 40 } else { 1 << 29 };
/// Most reads at one time; each takes a slot of 64 bytes in the lock file.
const MAX_READS: u32 = 1024;
/// Most records of one LMDB commit: bounds the dirty pages it holds in memory.
const RECORDS_PER_COMMIT: usize = 1024;
const LOCK_FILE: &str = "store.lock";
/// LMDB's name for it.
const DATA_FILE: &str = "data.mdb";
/// Where a new store is made; whatever is in it is left of an attempt that was interrupted.
const NEW_DIRECTORY: &str = "new";
/// Holds the entries: key to big-endian revision followed by the value.
const ENTRIES: &str = "entries";
/// Holds what is told of the store as a whole.
const META: &str = "meta";
const FORMAT_KEY: &[u8] = b"format";
const REVISION_KEY: &[u8] = b"revision";
const FORMAT: u64 = 1;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another process: stop that one, or use another directory", directory.display())]
    InUse { directory: PathBuf },
    #[error("the store's directory {} cannot be used", directory.display())]
    Directory { directory: PathBuf, source: io::Error },
    #[error("the store in {} has format {found}, this program knows {FORMAT}: use a newer program", directory.display())]
    Format { directory: PathBuf, found: u64 },
    #[error("{} holds another program's LMDB database: use another directory", directory.display())]
    Foreign { directory: PathBuf },
    #[error("the store's database cannot be opened")]
    Database(#[from] ::heed::Error),
    #[error("the store's write-ahead log {} cannot be used", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("revisions {from} to {to} are in no file of the store: restore it from a backup")]
    Gap { from: Revision, to: Revision },
    #[error(
        "the store's write-ahead log {} is damaged at byte {offset}: revisions {from} to {to}, which were acknowledged, \
         cannot be read; restore the store from a backup, or give them up: truncate -s {offset} {}",
        path.display(), path.display()
    )]
    Damaged { path: PathBuf, offset: u64, from: Revision, to: Revision },
    #[error("a thread of the store could not be started")]
    Thread(#[source] io::Error),
}

pub(super) type Found = Result<(Bytes, Record), ::heed::Error>;
type Stored<'r> = (&'r Bytes, &'r Record);

pub(super) struct Environment {
    env: Env<WithoutTls>,
    entries: Database<Raw, Raw>,
    meta: Database<Raw, Raw>,
    /// Held shared by every transaction and exclusively while the map is resized, as LMDB demands.
    map: RwLock<()>,
    /// Locked as long as it is open, after a crash no longer.
    _lock: File,
}

impl Environment {
    pub(super) fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
        private_directory(directory).map_err(failed)?;
        let lock = lock(directory)?;
        if !directory.join(DATA_FILE).exists() {
            create(directory)?;
        }
        let env = open_env(directory, options)?;
        let (entries, meta) = open_databases(&env, directory)?;
        Ok(Self { env, entries, meta, map: RwLock::new(()), _lock: lock })
    }

    /// Writes a layer, each key's last state only. A reader, or a crash, may see part of it with the stored revision still
    /// that of before; the log holds the rest then.
    pub(super) fn store(&self, layer: &Layer, revision: Revision) -> Result<(), ::heed::Error> {
        let mut records = layer.iter().peekable();
        while records.peek().is_some() {
            let some: Vec<_> = records.by_ref().take(RECORDS_PER_COMMIT).collect();
            let last = records.peek().is_none();
            self.store_growing(&some, last.then_some(revision))?;
        }
        Ok(())
    }

    /// A commit that outgrows the map leaves no trace, so it can be done again in a larger one.
    fn store_growing(&self, records: &[Stored<'_>], then: Option<Revision>) -> Result<(), ::heed::Error> {
        loop {
            match self.store_some(records, then) {
                Err(::heed::Error::Mdb(MdbError::MapFull)) => self.grow()?,
                outcome => return outcome,
            }
        }
    }

    fn store_some(&self, records: &[Stored<'_>], then: Option<Revision>) -> Result<(), ::heed::Error> {
        let _open = self.open_map();
        let mut txn = self.env.write_txn()?;
        for (key, Record { revision, value }) in records {
            match value {
                Some(value) => {
                    self.entries.put(&mut txn, key, &[&revision.to_be_bytes(), &value[..]].concat())?;
                }
                None => drop(self.entries.delete(&mut txn, key)?),
            }
        }
        if let Some(revision) = then {
            self.meta.put(&mut txn, REVISION_KEY, &revision.to_be_bytes())?;
        }
        txn.commit()
    }

    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&RoTxn<'_>) -> Result<T, ::heed::Error>,
    ) -> Result<T, ::heed::Error> {
        let _open = self.open_map();
        let txn = self.env.read_txn()?;
        read(&txn)
    }

    pub(super) fn stored_revision(&self, txn: &RoTxn<'_>) -> Result<Revision, ::heed::Error> {
        Ok(number(self.meta.get(txn, REVISION_KEY)?)?.unwrap_or(0))
    }

    pub(super) fn record(&self, txn: &RoTxn<'_>, key: &[u8]) -> Result<Option<Record>, ::heed::Error> {
        if key.is_empty() {
            return Ok(None);
        }
        self.entries.get(txn, key)?.map(decode).transpose()
    }

    pub(super) fn records<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        bounds: Bounds<'_>,
        reverse: bool,
    ) -> Result<Box<dyn Iterator<Item = Found> + 't>, ::heed::Error> {
        let found = |found: Result<(&[u8], &[u8]), _>| {
            let (key, record) = found?;
            Ok((Bytes::copy_from_slice(key), decode(record)?))
        };
        Ok(if reverse {
            Box::new(self.entries.rev_range(txn, &bounds)?.map(found))
        } else {
            Box::new(self.entries.range(txn, &bounds)?.map(found))
        })
    }

    /// Doubles the map once no transaction is open; the caller must have none itself.
    fn grow(&self) -> Result<(), ::heed::Error> {
        let _alone = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let size = self.env.info().map_size;
        if size >= MAX_MAP_BYTES {
            return Err(::heed::Error::Mdb(MdbError::MapFull));
        }
        tracing::info!(from_bytes = size, to_bytes = size * 2, "the store's map grows");
        // SAFETY: every transaction holds `map` shared, so none is open.
        unsafe { self.env.resize(size * 2) }
    }

    fn open_map(&self) -> RwLockReadGuard<'_, ()> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_FILE))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { directory: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn open_env(directory: &Path, options: Options) -> Result<Env<WithoutTls>, ::heed::Error> {
    const PAGE: usize = 64 * 1024;
    let map = options.map_bytes.clamp(PAGE, MAX_MAP_BYTES).next_multiple_of(PAGE);
    // A read may be dropped on another thread than it began on, hence no thread-local slots.
    let mut open = EnvOpenOptions::new().read_txn_without_tls();
    open.map_size(map).max_readers(MAX_READS).max_dbs(2);
    if options.durability == Durability::PageCache {
        // SAFETY: gives up on power cuts, as the option says.
        unsafe { open.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: the lock file keeps other processes from these files, and nothing else maps or truncates them.
    unsafe { open.open(directory) }
}

/// Makes an empty store beside its place and moves it there once it is durable: LMDB cannot open a file whose making was
/// interrupted, and syncs what is in a file, but not that there is such a file.
fn create(directory: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
    let new = directory.join(NEW_DIRECTORY);
    if new.exists() {
        fs::remove_dir_all(&new).map_err(failed)?;
    }
    fs::create_dir(&new).map_err(failed)?;
    let env = open_env(&new, Options::default())?;
    create_databases(&env)?;
    env.prepare_for_closing().wait();
    let place = || {
        fs::rename(new.join(DATA_FILE), directory.join(DATA_FILE))?;
        fs::remove_dir_all(&new)?;
        sync_directory(directory)
    };
    place().map_err(failed)
}

fn create_databases(env: &Env<WithoutTls>) -> Result<(), ::heed::Error> {
    let mut txn = env.write_txn()?;
    env.create_database::<Raw, Raw>(&mut txn, Some(ENTRIES))?;
    let meta = env.create_database::<Raw, Raw>(&mut txn, Some(META))?;
    meta.put(&mut txn, FORMAT_KEY, &FORMAT.to_be_bytes())?;
    txn.commit()
}

/// Makes the directory's entries durable, and its own in its parent.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()?;
    match directory.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

type Databases = (Database<Raw, Raw>, Database<Raw, Raw>);

fn open_databases(env: &Env<WithoutTls>, directory: &Path) -> Result<Databases, OpenError> {
    let txn = env.read_txn()?;
    let found = (env.open_database(&txn, Some(ENTRIES))?, env.open_database(&txn, Some(META))?);
    let (Some(entries), Some(meta)) = found else {
        return Err(OpenError::Foreign { directory: directory.to_owned() });
    };
    let format = number(meta.get(&txn, FORMAT_KEY)?)?.unwrap_or(0);
    // Makes the handles outlive the transaction that opened them.
    txn.commit()?;
    match format {
        FORMAT => Ok((entries, meta)),
        found => Err(OpenError::Format { directory: directory.to_owned(), found }),
    }
}

fn decode(record: &[u8]) -> Result<Record, ::heed::Error> {
    let (revision, value) = record.split_first_chunk().ok_or(::heed::Error::Mdb(MdbError::Corrupted))?;
    Ok(Record { revision: Revision::from_be_bytes(*revision), value: Some(Bytes::copy_from_slice(value)) })
}

fn number(record: Option<&[u8]>) -> Result<Option<u64>, ::heed::Error> {
    let bytes = |record: &[u8]| record.try_into().map_err(|_| ::heed::Error::Mdb(MdbError::Corrupted));
    record.map(|record| bytes(record).map(u64::from_be_bytes)).transpose()
}

#[cfg(test)]
impl Environment {
    pub(super) fn overwrite_format(&self, format: u64) {
        let mut txn = self.env.write_txn().unwrap();
        self.meta.put(&mut txn, FORMAT_KEY, &format.to_be_bytes()).unwrap();
        txn.commit().unwrap();
    }
}
