//! The watch over a container that runs: its end, its output, and stopping it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::query_parameters::{StopContainerOptionsBuilder, WaitContainerOptionsBuilder};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Shared;
use super::engine::Connection;
use super::error::{said, status};
use super::output::{self, Output, Source};
use crate::executor::{Failure, FailureKind, Outcome, TaskSide};
use crate::signal::stopped;

/// How long a program may take to end after the signal to do so, seconds; then it is killed.
const STOP_GRACE_S: i32 = 5;
/// Pause before an engine that answers oddly, and goes on answering, is asked again.
pub(super) const ODD_PAUSE: Duration = Duration::from_secs(5);

/// How a container ended, and the connection that told it.
struct End {
    outcome: Outcome,
    epoch: u64,
}

/// Sees a container through to its end and reports it, once all its output is here.
pub(super) async fn over(
    shared: Arc<Shared>,
    container: String,
    output: Output,
    source: Option<Source>,
    side: TaskSide,
) {
    let TaskSide { mut stop, outcome } = side;
    let (ended, end_seen) = watch::channel(None);
    let end = async {
        let end = tokio::select! {
            biased;
            end = until_end(&shared, &container) => end,
            reason = stopped(&mut stop) => {
                halt(&shared, &container).await;
                End { outcome: Outcome::Stopped(reason), ..until_end(&shared, &container).await }
            }
        };
        ended.send_replace(Some(end.epoch));
        end.outcome
    };
    let copy = output::copy(&shared, &container, output, source, end_seen);
    let (end, broken) = tokio::join!(end, copy);
    // The caller may have dropped its handle.
    _ = outcome.send(end.with_output(broken));
}

async fn until_end(shared: &Shared, container: &str) -> End {
    loop {
        let connection = shared.engine.after(0).await;
        let epoch = connection.epoch;
        match wait(&connection, container).await {
            Ok(code) => return End { outcome: judge(&connection, container, code).await, epoch },
            Err(error) if status(&error) == Some(404) => {
                let message = "the container was removed from outside while it ran".to_owned();
                return End {
                    outcome: Outcome::Failed(Failure { kind: FailureKind::Engine, message }),
                    epoch,
                };
            }
            Err(error) => {
                tracing::debug!(container, error = said(&error), "lost sight of a container");
                reconnected(shared, epoch).await;
            }
        }
    }
}

/// The exit code when it has ended.
pub(super) async fn wait(connection: &Connection, container: &str) -> Result<i64, EngineError> {
    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    let mut answers = std::pin::pin!(connection.docker.wait_container(container, Some(options)));
    match answers.next().await {
        Some(Ok(answer)) => Ok(answer.status_code),
        Some(Err(EngineError::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

/// What an exit code means; the engine is asked only about bad ones.
async fn judge(connection: &Connection, container: &str, code: i64) -> Outcome {
    let code = i32::try_from(code).unwrap_or(i32::MAX);
    if code == 0 {
        return Outcome::Exited(0);
    }
    let Ok(found) = connection.docker.inspect_container(container, None).await else {
        return Outcome::Exited(code);
    };
    let limit = found.host_config.and_then(|host| host.memory).filter(|bytes| *bytes > 0);
    match found.state.and_then(|state| state.oom_killed) {
        Some(true) => {
            let limit = limit.map(|bytes| format!(" of {} MB", bytes / 1_000_000)).unwrap_or_default();
            let message = format!(
                "memory limit exceeded: the task used more than its limit{limit} and was killed; raise Resources.Memory"
            );
            Outcome::Failed(Failure { kind: FailureKind::OutOfMemory, message })
        }
        _ => Outcome::Exited(code),
    }
}

/// Tells the program to end, and kills it after the grace. Returns when the engine has done so.
async fn halt(shared: &Shared, container: &str) {
    loop {
        let connection = shared.engine.after(0).await;
        let options = StopContainerOptionsBuilder::default().t(STOP_GRACE_S).build();
        match connection.docker.stop_container(container, Some(options)).await {
            Ok(()) => return,
            Err(error) if matches!(status(&error), Some(304 | 404)) => return,
            Err(error) => {
                tracing::warn!(container, error = said(&error), "a container cannot be stopped");
                reconnected(shared, connection.epoch).await;
            }
        }
    }
}

/// Waits for a later connection, or a while if the old one lives on.
async fn reconnected(shared: &Shared, epoch: u64) {
    tokio::select! {
        _ = shared.engine.after(epoch) => {}
        () = sleep(ODD_PAUSE) => {}
    }
}
