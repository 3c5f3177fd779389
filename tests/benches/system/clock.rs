//! The clock of the benches: nothing is asserted about what it tells.

use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Lets a span go by in which what is measured is left alone.
pub(crate) async fn let_pass(span: Duration) {
    tokio::time::sleep(span).await;
}
