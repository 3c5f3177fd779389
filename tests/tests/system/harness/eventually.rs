//! Waiting for a state.

use std::time::Duration;

use tokio::time::{interval, timeout};

/// Longest wait for any state. A machine that is that slow is broken; no test measures it.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until there is an answer. After a long while it fails with `what` was waited for and what was seen last.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut last = String::from("nothing");
    let asking = async {
        let mut pauses = interval(PAUSE);
        loop {
            pauses.tick().await;
            match ask().await {
                Ok(answer) => break answer,
                Err(other) => last = other,
            }
        }
    };
    match timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("gave up waiting until {what}; seen last: {last}"),
    }
}

/// An answer for [`eventually`]: `value` if `is_so`, else how it looks.
pub(crate) fn seen<T: std::fmt::Debug>(value: T, is_so: impl FnOnce(&T) -> bool) -> Result<T, String> {
    if is_so(&value) { Ok(value) } else { Err(format!("{value:?}")) }
}
