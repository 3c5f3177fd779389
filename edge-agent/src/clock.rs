//! The only place of the agent that reads a clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bacalhau_protocol::time::Timestamp;

use crate::fleet_time::{Correction, FleetTime, Reading};

/// The agent's clock: monotonic for durations, [`FleetTime`] for points in time. The device's own idea of the date is
/// never asked, but by AWS's library, which judges certificates by it. Clones share one state.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    fleet: Mutex<FleetTime>,
}

impl Clock {
    /// A clock that starts from the highest control-plane time the journal holds.
    pub fn new(journaled: Option<Timestamp>) -> Self {
        Self(Arc::new(Inner { started: monotonic(), fleet: Mutex::new(FleetTime::starting(journaled)) }))
    }

    /// Monotonic time since the agent started.
    pub fn elapsed(&self) -> Duration {
        monotonic().saturating_duration_since(self.0.started)
    }

    /// The fleet's time, as well as this device knows it.
    pub fn now(&self) -> Timestamp {
        self.read().time
    }

    /// The fleet's time and how far it may be trusted.
    pub fn read(&self) -> Reading {
        self.fleet(|fleet, elapsed| fleet.read(elapsed))
    }

    /// Takes over the control plane's time, as told in a welcome; see [`FleetTime::correct`].
    pub fn correct(&self, control_plane: Timestamp) -> Option<Correction> {
        self.fleet(|fleet, elapsed| fleet.correct(control_plane, elapsed))
    }

    fn fleet<T>(&self, act: impl FnOnce(&mut FleetTime, Duration) -> T) -> T {
        let elapsed = self.elapsed();
        act(&mut self.0.fleet.lock().unwrap_or_else(PoisonError::into_inner), elapsed)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one reading of the monotonic clock; everything else asks Clock"
)]
fn monotonic() -> Instant {
    Instant::now()
}
