//! The word to stop, as an activity hears it.

use tokio::sync::watch;

use crate::executor::StopReason;

/// Turns `Some` when the activity must end.
pub type StopSignal = watch::Receiver<Option<StopReason>>;

/// Waits for the word to stop; for ever when nobody can say it any more.
pub(crate) async fn stopped(stop: &mut StopSignal) -> StopReason {
    match stop.wait_for(Option::is_some).await.map(|reason| *reason) {
        Ok(Some(reason)) => reason,
        _ => std::future::pending().await,
    }
}
