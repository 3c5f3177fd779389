//! Groups what waits and commits it.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder, JoinHandle};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::medium::Medium;
use super::{Change, WriteError};
use crate::chain::chain;

/// Most requests that may wait for the disk.
pub(super) const MAX_WAITING: usize = 16_384;
/// Most changes of one group; past this a group is hardly faster and everybody waits for all.
const MAX_GROUP: usize = 1024;
/// Deferred changes are written once there are so many, though nobody waits for them.
const MAX_DEFERRED: usize = 256;

/// Changes and who waits for them; nobody does when they are deferred.
pub(super) struct Request {
    pub(super) changes: Vec<Change>,
    pub(super) reply: Option<oneshot::Sender<Result<(), WriteError>>>,
}

/// Takes requests until it is closed.
pub(super) enum Writer {
    /// A disk is slow: a thread waits for it.
    OnThread(Mutex<Option<Running>>),
    /// Memory is not.
    InPlace(Mutex<Option<Box<dyn Medium>>>),
}

pub(super) struct Running {
    /// Takes memory for what waits only; a channel of the standard library would set aside 768 KiB for good.
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn on_thread(medium: impl Medium) -> io::Result<Self> {
        let (requests, waiting) = channel(MAX_WAITING);
        let thread = Builder::new().name("journal".to_owned()).spawn(move || run(medium, waiting))?;
        Ok(Self::OnThread(Mutex::new(Some(Running { requests, thread }))))
    }

    pub(super) fn in_place(medium: impl Medium) -> Self {
        Self::InPlace(Mutex::new(Some(Box::new(medium))))
    }

    pub(super) fn submit(&self, request: Request) {
        match self {
            Self::OnThread(running) => {
                let running = running.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(running) = running.as_ref() else { return request.answer(Err(WriteError::Closed)) };
                match running.requests.try_send(request) {
                    Ok(()) => {}
                    Err(TrySendError::Full(request)) => request.answer(Err(WriteError::Overloaded)),
                    Err(TrySendError::Closed(request)) => request.answer(Err(WriteError::Closed)),
                }
            }
            Self::InPlace(medium) => {
                let mut medium = medium.lock().unwrap_or_else(PoisonError::into_inner);
                let outcome = medium.as_mut().map_or(Err(WriteError::Closed), |m| m.commit(&request.changes));
                request.answer(outcome);
            }
        }
    }

    pub(super) fn close(&self) {
        match self {
            Self::OnThread(running) => {
                let running = running.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(Running { requests, thread }) = running {
                    drop(requests);
                    if thread.join().is_err() {
                        tracing::error!("the journal's thread panicked");
                    }
                }
            }
            Self::InPlace(medium) => {
                medium.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
        }
    }
}

/// The last handle closes the file, so that the directory can be opened again.
impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OnThread(_) => "OnThread",
            Self::InPlace(_) => "InPlace",
        })
    }
}

impl Request {
    fn answer(self, outcome: Result<(), WriteError>) {
        if let Some(reply) = self.reply {
            // Who waited may have gone.
            _ = reply.send(outcome);
        }
    }
}

/// Collects what waits behind the first request somebody waits for, and commits it at once. When many commit, whoever is
/// ready to run goes first and may still join: on a busy device a sync costs the processor more than a larger group. A lone
/// one must not give its turn to strangers.
fn run(mut medium: impl Medium, mut waiting: Receiver<Request>) {
    let mut group: Vec<Request> = Vec::new();
    let mut many_commit = false;
    while let Some(request) = waiting.blocking_recv() {
        group.push(request);
        if many_commit {
            thread::yield_now();
        }
        while size(&group) < MAX_GROUP
            && let Ok(request) = waiting.try_recv()
        {
            group.push(request);
        }
        let waiting_for_it = group.iter().filter(|request| request.reply.is_some()).count();
        if waiting_for_it > 0 || size(&group) >= MAX_DEFERRED {
            many_commit = waiting_for_it > 1;
            commit(&mut medium, &mut group);
        }
    }
    commit(&mut medium, &mut group);
}

fn commit(medium: &mut impl Medium, group: &mut Vec<Request>) {
    let changes: Vec<Change> =
        group.iter_mut().flat_map(|request| std::mem::take(&mut request.changes)).collect();
    let outcome = if changes.is_empty() { Ok(()) } else { medium.commit(&changes) };
    if let Err(error) = &outcome {
        tracing::error!(error = chain(error), changes = changes.len(), "the journal cannot be written");
    }
    for request in group.drain(..) {
        request.answer(outcome.clone());
    }
}

fn size(group: &[Request]) -> usize {
    group.iter().map(|request| request.changes.len()).sum()
}
