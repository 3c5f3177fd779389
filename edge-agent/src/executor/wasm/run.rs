//! A guest's life, and the watch over it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::executor::{
    Failure, FailureKind, Outcome, OutputWriter, RunningTask, StartError, StopReason, Stopper, TaskRun,
    TaskSide,
};

use super::Shared;
use super::error::Error;
use super::guest::Guest;
use super::host::{Stdio, StopSignal};

/// How often a computing guest is told to look whether it must stop, while it must.
const EPOCH_PERIOD: Duration = Duration::from_millis(10);
/// How long a stopped guest may hang in a system call that cannot be broken off (a dead network file system, a named
/// pipe nobody writes to) before its execution is over without it. Its thread and memory stay until the call returns.
const STOP_GRACE: Duration = Duration::from_secs(5);

type Started = oneshot::Sender<Result<(), StartError>>;

/// Starts the guest of `run` on a thread of its own and returns when its own code begins.
pub(super) async fn start(shared: Arc<Shared>, run: TaskRun) -> Result<RunningTask, StartError> {
    let (stdout, stderr, progress) = OutputWriter::open(&run.results_dir, run.kept)
        .map_err(|source| Error::Output { path: run.results_dir.clone(), source })?;
    let (task, side) = RunningTask::new(progress);
    let undo = StopOnDrop(Some(task.stopper()));
    let (report, started) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let guest = {
        let (shared, runtime, stop) = (Arc::clone(&shared), Handle::current(), side.stop.clone());
        move || {
            let stdio = Stdio { stdout, stderr, stop: stop.clone() };
            let outcome = runtime.block_on(live(&shared, &run, stdio, stop, report));
            // Nobody listens when the start failed or was given up.
            let _ = end.send(outcome);
        }
    };
    shared.threads.run(guest).map_err(|error| Error::Engine(format!("start a thread: {error}")))?;
    tokio::spawn(watch_over(shared, side, ended));
    started.await.unwrap_or_else(|_| Err(Error::Engine("the guest's thread died".to_owned()).into()))?;
    undo.forget();
    Ok(task)
}

// The whole life of a guest. Everything it holds is gone when this returns.
async fn live(
    shared: &Shared,
    run: &TaskRun,
    stdio: Stdio,
    mut stop: StopSignal,
    started: Started,
) -> Outcome {
    let (stdout, stderr) = (stdio.stdout.clone(), stdio.stderr.clone());
    let prepared = tokio::select! {
        biased;
        reason = stopped(&mut stop) => Err(StartError::Stopped(reason)),
        prepared = Guest::prepare(shared, run, stdio) => prepared.map_err(StartError::from),
    };
    let guest = match prepared {
        Ok(guest) => guest,
        Err(error) => {
            let failure = Failure { kind: FailureKind::Engine, message: error.to_string() };
            let _ = started.send(Err(error));
            return Outcome::Failed(failure);
        }
    };
    if started.send(Ok(())).is_err() {
        return Outcome::Stopped(StopReason::Cancelled);
    }
    tokio::select! {
        biased;
        reason = stopped(&mut stop) => Outcome::Stopped(reason),
        outcome = guest.run() => outcome.with_output(stdout.broken().or_else(|| stderr.broken())),
    }
}

// Reports the end, and once a stop is wanted sees that it comes.
async fn watch_over(shared: Arc<Shared>, side: TaskSide, mut ended: oneshot::Receiver<Outcome>) {
    let TaskSide { mut stop, outcome } = side;
    let end = tokio::select! {
        biased;
        end = &mut ended => end,
        reason = stopped(&mut stop) => timeout(STOP_GRACE, press(&shared, &mut ended))
            .await
            .unwrap_or(Ok(Outcome::Stopped(reason))),
    };
    let end = end.unwrap_or_else(|_| {
        let message = "the guest's thread died".to_owned();
        Outcome::Failed(Failure { kind: FailureKind::Engine, message })
    });
    // The caller may have dropped its handle.
    let _ = outcome.send(end);
}

// Repeats, because a guest that looked just before the stop was asked for sets its next deadline behind this epoch.
async fn press(
    shared: &Shared,
    ended: &mut oneshot::Receiver<Outcome>,
) -> Result<Outcome, oneshot::error::RecvError> {
    loop {
        if let Ok(runtime) = shared.engine.get() {
            runtime.engine.increment_epoch();
        }
        tokio::select! {
            end = &mut *ended => return end,
            () = sleep(EPOCH_PERIOD) => {}
        }
    }
}

// Never returns if nobody can stop the task any more.
async fn stopped(stop: &mut StopSignal) -> StopReason {
    match stop.wait_for(Option::is_some).await.map(|reason| *reason) {
        Ok(Some(reason)) => reason,
        _ => std::future::pending().await,
    }
}

/// Stops a task whose start was given up.
struct StopOnDrop(Option<Stopper>);

impl StopOnDrop {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(stopper) = self.0.take() {
            stopper.stop(StopReason::Cancelled);
        }
    }
}
