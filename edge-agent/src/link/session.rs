//! One connection, from its control stream to its end.

use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::wire::close;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::backoff::Ended;
use super::outgoing::{Command, Commands, End, Outgoing};
use super::quic::{Connection, ConnectionError, Reading, Writing};
use super::{DeviceFiles, LinkEvent, serve};

/// Most bytes handed to the actor at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long the last words may take to be delivered.
const FLUSH: Duration = Duration::from_secs(2);

/// What a session needs besides its connection.
pub(super) struct Surroundings<'a> {
    pub(super) events: &'a mpsc::Sender<LinkEvent>,
    pub(super) files: &'a Arc<dyn DeviceFiles>,
    pub(super) stop: &'a CancellationToken,
}

/// Runs a connection to its end. `welcomed` is called once the control plane has let the node in.
pub(super) async fn run(
    connection: &Connection,
    surroundings: &Surroundings<'_>,
    welcomed: &mut (dyn FnMut() + Send),
) -> Ended {
    let Ok((writing, reading)) = connection.open_control().await else { return connection.ended() };
    let (outgoing, mut commands) = Outgoing::new();
    if surroundings.events.send(LinkEvent::Connected(outgoing)).await.is_err() {
        connection.close(close::NORMAL).await;
        return Ended::Goodbye;
    }
    let end = talk(connection, surroundings, writing, reading, &mut commands, welcomed).await;
    let unread = surroundings.events.send(LinkEvent::Disconnected).await;
    let end = match end {
        None if unread.is_ok() => {
            surroundings.stop.run_until_cancelled(last_words(commands)).await.unwrap_or(Some(End::Goodbye))
        }
        end => end,
    };
    let ended = end.as_ref().map_or_else(|| connection.ended(), End::ended);
    connection.close(close_code(end.as_ref())).await;
    ended
}

/// Both directions of the control stream and what the control plane asks for, until one of them ends. Gives the
/// actor's reason if the actor ended it.
async fn talk(
    connection: &Connection,
    surroundings: &Surroundings<'_>,
    writing: Writing,
    reading: Reading,
    commands: &mut Commands,
    welcomed: &mut (dyn FnMut() + Send),
) -> Option<End> {
    let overflow = Arc::clone(&commands.overflow);
    tokio::select! {
        end = speak(writing, commands, welcomed) => end,
        () = listen(reading, surroundings.events) => None,
        error = serve_all(connection, surroundings.files) => {
            tracing::debug!(%error, "connection ended");
            None
        }
        () = overflow.notified() => {
            tracing::warn!("control plane does not take what it is sent");
            Some(End::Broken)
        }
        () = surroundings.stop.cancelled() => Some(End::Goodbye),
    }
}

/// Writes what the actor says. Ends with the actor's reason, or none when the stream broke.
async fn speak(
    mut writing: Writing,
    commands: &mut Commands,
    welcomed: &mut (dyn FnMut() + Send),
) -> Option<End> {
    loop {
        match commands.queue.recv().await {
            Some(Command::Send(bytes)) => writing.write_chunk(bytes).await.ok()?,
            Some(Command::Welcomed) => welcomed(),
            Some(Command::End(end)) => {
                flush(writing).await;
                return Some(end);
            }
            None => return None,
        }
    }
}

/// Waits until everything written is acknowledged, or the other side does not care.
async fn flush(mut writing: Writing) {
    if writing.finish().is_ok() {
        _ = tokio::time::timeout(FLUSH, writing.stopped()).await;
    }
}

/// Hands what comes to the actor; when the actor is busy, the control plane waits.
async fn listen(mut reading: Reading, events: &mpsc::Sender<LinkEvent>) {
    while let Ok(Some(chunk)) = reading.read_chunk(CHUNK_BYTES, true).await {
        if events.send(LinkEvent::Bytes(chunk.bytes)).await.is_err() {
            return;
        }
    }
}

/// Serves the streams that the control plane opens; they end with the connection.
async fn serve_all(connection: &Connection, files: &Arc<dyn DeviceFiles>) -> ConnectionError {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Ok((writing, reading)) => {
                    let files = Arc::clone(files);
                    serving.spawn(async move {
                        if let Err(error) = serve::serve(&*files, writing, reading).await {
                            tracing::debug!(error = &error as &dyn std::error::Error, "request not served to its end");
                        }
                    });
                }
                Err(error) => return error,
            },
            Some(_) = serving.join_next() => {}
        }
    }
}

/// What the actor still had to say when the connection was already gone: it may know why.
pub(super) async fn last_words(mut commands: Commands) -> Option<End> {
    while let Some(command) = commands.queue.recv().await {
        if let Command::End(reason) = command {
            return Some(reason);
        }
    }
    None
}

fn close_code(end: Option<&End>) -> u32 {
    match end {
        Some(End::Broken) => close::PROTOCOL,
        Some(End::Revoked) => close::REVOKED,
        Some(End::Refused(_)) => close::REFUSED,
        Some(End::Goodbye) | None => close::NORMAL,
    }
}
