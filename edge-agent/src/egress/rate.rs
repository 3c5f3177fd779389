//! When bytes may pass.

use std::time::Duration;

/// A rate with a burst, as the time at which all that was let through is paid for (the generic cell rate algorithm,
/// ITU-T I.371).
#[derive(Debug)]
pub(super) struct Rate {
    bytes_per_second: u64,
    burst: Duration,
    paid_at: Duration,
}

impl Rate {
    /// `burst_bytes` may pass at once after a quiet time.
    pub(super) fn new(bytes_per_second: u64, burst_bytes: u64) -> Self {
        let burst = cost(burst_bytes, bytes_per_second);
        Self { bytes_per_second, burst, paid_at: Duration::ZERO }
    }

    /// Takes `bytes` in at `now` and tells how long they must wait.
    pub(super) fn reserve(&mut self, bytes: u64, now: Duration) -> Duration {
        let start = self.paid_at.max(now.saturating_sub(self.burst));
        self.paid_at = start + cost(bytes, self.bytes_per_second);
        self.paid_at.saturating_sub(now)
    }
}

fn cost(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / bytes_per_second.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_passes_after_a_quiet_time() {
        let mut rate = Rate::new(1_000, 100);
        let now = Duration::from_secs(9);
        assert_eq!(rate.reserve(100, now), Duration::ZERO);
        assert_eq!(rate.reserve(500, now), Duration::from_millis(500));
    }

    proptest! {
        /// However requests come, what has passed by any time fits the rate and one burst.
        #[test]
        fn never_more_than_rate_and_burst(asked in prop::collection::vec((1u64..2_000, 0u64..3_000), 1..60)) {
            let (per_second, burst) = (1_000, 500);
            let mut rate = Rate::new(per_second, burst);
            let mut now = Duration::from_secs(10);
            let (begin, mut passed) = (now, 0);
            for (bytes, pause_ms) in asked {
                now += Duration::from_millis(pause_ms);
                now += rate.reserve(bytes, now);
                passed += bytes;
                let allowed = (now - begin).as_secs_f64() * per_second as f64 + burst as f64;
                prop_assert!(passed as f64 <= allowed + 1.0, "{passed} of {allowed}");
            }
        }
    }
}
