//! A journal's files: a log that makes a commit durable in one sync, and the LMDB database that the log is moved to when
//! it is full. Most of a short task's records never get there: they are overtaken and deleted while still in the log.

use std::io;
use std::path::{Path, PathBuf};

use bacalhau_wal::{AppendError, Durability, Record, Segment, change};
use bytes::Bytes;

use super::environment::{Contents, Environment, Latest};
use super::{Change, entry};
use crate::durable;

/// Size of the log: a few hundred short tasks between two visits to the database.
const LOG_BYTES: u64 = 1 << 20;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The database says no.
    #[error("its database")]
    Database(#[from] heed::Error),
    /// The log cannot be opened or read.
    #[error("its log {}", path.display())]
    Log {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The log has a hole.
    #[error("its log {}: changes {from} to {to} are behind damage", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The first that cannot be read.
        from: u64,
        /// The last that is known to have been there.
        to: u64,
    },
    /// The log cannot be written.
    #[error("its log")]
    Append(#[from] AppendError),
}

pub(super) struct Files {
    environment: Environment,
    log: Segment,
    /// Of the last commit.
    number: u64,
}

impl Files {
    /// Opens the files in `directory`, or makes them, with everything in them. What the log holds is moved to the database;
    /// if there is no room for that, it stays where it is.
    pub(super) fn open(directory: &Path, durability: Durability) -> Result<(Self, Contents), FilesError> {
        let environment = Environment::open(directory, durability)?;
        let opened = Self::read(environment.clone(), directory, durability);
        if opened.is_err() {
            // So that the directory can be moved away.
            environment.close();
        }
        opened
    }

    fn read(
        environment: Environment,
        directory: &Path,
        durability: Durability,
    ) -> Result<(Self, Contents), FilesError> {
        let path = directory.join("log");
        let failed = |source| FilesError::Log { path: path.clone(), source };
        let (log, records) = Segment::open(path.clone(), LOG_BYTES, durability).map_err(failed)?;
        if durability == Durability::Disk {
            // That there are such files.
            durable::sync_directory(directory).map_err(failed)?;
        }
        let number = environment.number()?;
        let next = records.last().map_or(0, Record::end).max(number + 1);
        if let Some(lost) = log.lost_after(next).map_err(failed)? {
            // Going on without them would start anew what they say has run.
            return Err(FilesError::Damaged { path, from: next, to: lost.last });
        }
        let mut files = Self { environment, log, number };
        let missing = records.first().filter(|first| first.first > number + 1).map(|first| {
            format!("changes {} to {} are in no file of the journal", number + 1, first.first - 1)
        });
        let left = files.take_up(records)?;
        let mut contents = files.environment.recover(&left)?;
        contents.damaged.extend(missing);
        Ok((files, contents))
    }

    /// One sync, unless the log is full.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<(), FilesError> {
        let (body, next) = (entry::encode(changes), self.number + 1);
        if self.log.has_room(body.len()) && !self.log.is_broken() {
            self.log.append(next, 1, &body)?;
        } else {
            let mut latest = Latest::new();
            for record in self.log.read().map_err(|source| self.unreadable(source))? {
                self.gather(record.body, &mut latest)?;
            }
            self.gather(body.into(), &mut latest)?;
            self.environment.store(&latest, next)?;
            self.log.restart();
        }
        self.number = next;
        Ok(())
    }

    /// Ends all use of the files.
    pub(super) fn close(self) {
        self.environment.close();
    }

    /// Moves what the database does not hold yet to it, and begins the log anew. Gives back what could not be moved: the
    /// disk or the database may be full, and an agent that does not start can mend neither.
    fn take_up(&mut self, mut records: Vec<Record>) -> Result<Latest, FilesError> {
        records.retain(|record| record.first > self.number);
        let mut latest = Latest::new();
        if let Some(last) = records.last().map(|record| record.first) {
            for record in records {
                self.gather(record.body, &mut latest)?;
            }
            let stored = self.environment.store(&latest, last);
            self.number = last;
            if let Err(error) = stored {
                tracing::error!(%error, "the journal's log cannot be moved to its database, and is kept");
                return Ok(latest);
            }
        }
        self.log.restart();
        Ok(Latest::new())
    }

    /// Takes over what a commit changed.
    fn gather(&self, mut body: Bytes, latest: &mut Latest) -> Result<(), FilesError> {
        while !body.is_empty() {
            // A record's checksum holds, so this is what was once encoded.
            let (key, value) =
                change::take(&mut body).map_err(|error| self.unreadable(io::Error::other(error)))?;
            latest.insert(key, value);
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> FilesError {
        FilesError::Log { path: self.log.path().to_owned(), source }
    }
}
