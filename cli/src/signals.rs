//! Being asked to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process is asked to end, by Ctrl-C or by the system.
pub(crate) async fn end_requested() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
