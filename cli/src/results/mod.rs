//! Brings the answers of a job home: fetch each archive, unpack it beside its place, then move it there in one step.
//!
//! One answer lies directly in the output directory. Several lie side by side, one directory per node, and their
//! `stdout`, `stderr` and `exitCode` are appended to one file each, as Bacalhau users expect.

mod layout;
mod place;
mod published;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, stream};

use crate::archive::{self, Limits};
use crate::client::{Client, DownloadError, RemoteArchive};
use crate::output::meter::Meter;

pub use layout::{Answer, directories};
pub use place::Collision;
pub use published::answers;

/// Where answers go and what of them is wanted.
#[derive(Clone, Debug)]
pub struct Order {
    /// Exists.
    pub directory: PathBuf,
    /// Keep the archives as they came, unpack nothing.
    pub raw: bool,
    /// One path inside each answer.
    pub only: Option<PathBuf>,
}

/// What came home.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Answers that are here.
    pub delivered: usize,
    /// What is missing, each with its node and the reason.
    pub missing: Vec<String>,
    /// How many of these no later call finds either.
    pub gone: usize,
    /// Parts of answers that were left out, with the reason.
    pub left_out: Vec<String>,
}

/// Why nothing could be delivered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is where an answer belongs.
    #[error(transparent)]
    Collision(#[from] Collision),
    /// The disk said no.
    #[error("writing results to {path:?}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why one answer is missing.
#[derive(Debug, thiserror::Error)]
enum Loss {
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Unpack(#[from] archive::unpack::Error),
    #[error("opening {path:?}")]
    Open { path: PathBuf, source: io::Error },
}

impl Loss {
    /// Whoever has the archive says that it is not there any more.
    fn is_final(&self) -> bool {
        matches!(self, Self::Download(DownloadError::Call(error)) if error.is_not_found())
    }
}

/// Archives fetched at the same time.
const CONCURRENT: usize = 8;

/// Fetches all answers. A call that was cut off is continued by the next one with the same order; answers that cannot be
/// had are named in the delivery and do not keep the others away.
pub async fn deliver(client: &Client, answers: &[Answer], order: &Order) -> Result<Delivery, Error> {
    let raw = order.directory.join("raw");
    let places = place::Places::new(order, answers, &raw)?;
    create(&raw)?;
    let mut delivery = Delivery::default();
    let meter = Meter::new(answers.iter().map(|answer| answer.archive.size).sum());
    let fetched: Vec<Option<Loss>> = stream::iter(answers)
        .map(|answer| fetch(client, &answer.archive, raw.join(answer.file_name()), &meter))
        .buffered(CONCURRENT)
        .collect()
        .await;
    meter.clear();
    for (answer, loss) in answers.iter().zip(fetched) {
        let loss = match loss {
            None if order.raw => None,
            None => settle(answer, order, &raw, &places, &mut delivery).await?,
            lost => lost,
        };
        match loss {
            None => delivery.delivered += 1,
            Some(loss) => {
                delivery.gone += usize::from(loss.is_final());
                delivery.missing.push(format!("{}: {}", answer.title(), chain(&loss)));
            }
        }
    }
    if !order.raw && delivery.missing.is_empty() {
        places.merge_streams()?;
        fs::remove_dir_all(&raw).map_err(|source| Error::Write { path: raw, source })?;
    }
    Ok(delivery)
}

async fn fetch(client: &Client, archive: &RemoteArchive, to: PathBuf, meter: &Meter) -> Option<Loss> {
    client.download(archive, &to, meter).await.err().map(Loss::from)
}

/// Unpacks one archive and moves its content into place.
async fn settle(
    answer: &Answer,
    order: &Order,
    raw: &Path,
    places: &place::Places,
    delivery: &mut Delivery,
) -> Result<Option<Loss>, Error> {
    if places.is_settled(answer) {
        return Ok(None);
    }
    let staging = raw.join(&answer.execution_id);
    // What an interrupted call left half unpacked.
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(|source| Error::Write { path: staging.clone(), source })?;
    }
    create(&staging)?;
    let settled = match unpack(raw.join(answer.file_name()), staging.clone(), order.only.clone()).await {
        Ok(unpacked) => {
            delivery
                .left_out
                .extend(unpacked.left_out.iter().map(|entry| format!("{}: {entry}", answer.title())));
            places.settle(answer, &staging).map(|()| None)
        }
        Err(loss) => Ok(Some(loss)),
    };
    if !matches!(settled, Ok(None)) {
        fs::remove_dir_all(&staging).map_err(|source| Error::Write { path: staging, source })?;
    }
    settled
}

async fn unpack(from: PathBuf, to: PathBuf, only: Option<PathBuf>) -> Result<archive::Unpacked, Loss> {
    let work = move || {
        let file = fs::File::open(&from).map_err(|source| Loss::Open { path: from, source })?;
        Ok(archive::unpack(io::BufReader::new(file), &to, only.as_deref(), Limits::RESULTS)?)
    };
    tokio::task::spawn_blocking(work).await.expect("unpacking does not panic")
}

fn create(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
