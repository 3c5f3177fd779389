//! Spans of time in order.

use std::fmt;
use std::time::Duration;

/// How long the same thing took, time after time.
pub(crate) struct Spans(Vec<Duration>);

impl Spans {
    /// Of at least one measurement.
    pub(crate) fn new(mut spans: Vec<Duration>) -> Self {
        assert!(!spans.is_empty(), "nothing was measured");
        spans.sort();
        Self(spans)
    }

    /// The span that `percent` of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }

    pub(crate) fn p50(&self) -> Duration {
        self.percentile(50)
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.2?}, p99 {:.2?}", self.p50(), self.percentile(99))
    }
}

/// Things done per second.
pub(crate) fn per_second(count: usize, span: Duration) -> f64 {
    let count = u32::try_from(count).expect("a bench does fewer than four billion things");
    f64::from(count) / span.as_secs_f64()
}
