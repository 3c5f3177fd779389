//! What time it is for the fleet, on a device whose own clock may say 1970 or 2099.
//!
//! Pure: the caller passes the monotonic time that has elapsed since the agent started.

use std::time::Duration;

use bacalhau_protocol::time::Timestamp;

/// How far a [`Reading`] may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Nothing is known but when the agent was built.
    None,
    /// The control plane said it in an earlier run: it is at least this late, maybe much later.
    AtLeast,
    /// The control plane said it during this run.
    Known,
}

/// A point in time and its worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time.
    pub time: Timestamp,
    /// Its worth.
    pub trust: Trust,
}

/// What sets right the times that were read before the control plane said one. The same for all of them, so their order
/// and the time between them stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction(i64);

impl Correction {
    /// The time as it would have been read by what is known now.
    pub fn of(self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.saturating_add(self.0))
    }
}

/// The fleet's time: a known point plus the monotonic time since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetTime {
    base: Timestamp,
    at: Duration,
    trust: Trust,
}

impl FleetTime {
    /// The time at the start of the agent: what the journal holds, else when the agent was built.
    pub fn starting(journaled: Option<Timestamp>) -> Self {
        let (base, trust) = match journaled {
            Some(time) => (time.max(BUILT), Trust::AtLeast),
            None => (BUILT, Trust::None),
        };
        Self { base, at: Duration::ZERO, trust }
    }

    /// The time now.
    pub fn read(&self, elapsed: Duration) -> Reading {
        Reading { time: self.base.after(elapsed.saturating_sub(self.at)), trust: self.trust }
    }

    /// Takes over the control plane's time, forwards or backwards: a control plane whose clock was set right again
    /// sets its devices right too. One whose clock has not been set yet says a time before this agent was built, which
    /// is as good as none: taken as it is, it would make all certificates ones of the future.
    ///
    /// Gives what sets right the times read before, the first time in a run; what the control plane has said stands.
    pub fn correct(&mut self, control_plane: Timestamp, elapsed: Duration) -> Option<Correction> {
        let before = self.read(elapsed);
        *self = Self { base: control_plane.max(BUILT), at: elapsed, trust: Trust::Known };
        (before.trust < Trust::Known).then(|| Correction(self.base.0.saturating_sub(before.time.0)))
    }
}

/// When this agent was built: `SOURCE_DATE_EPOCH` of the build, else a time before the first release.
pub const BUILT: Timestamp = Timestamp(match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => seconds(text.as_bytes()).saturating_mul(1_000_000_000),
    None => 1_793_491_200_000_000_000,
});

/// The decimal number in `digits`; a build with anything else does not compile.
const fn seconds(digits: &[u8]) -> i64 {
    let mut value: i64 = 0;
    let mut position = 0;
    while position < digits.len() {
        assert!(digits[position].is_ascii_digit(), "SOURCE_DATE_EPOCH must be a number of seconds");
        value = value * 10 + (digits[position] - b'0') as i64;
        position += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Timestamp = Timestamp(BUILT.0 + 1_000_000_000_000);
    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn a_new_device_knows_only_when_it_was_built() {
        let time = FleetTime::starting(None);
        assert_eq!(time.read(TEN), Reading { time: BUILT.after(TEN), trust: Trust::None });
    }

    #[test]
    fn the_journal_gives_a_lower_bound() {
        let time = FleetTime::starting(Some(LATER));
        assert_eq!(time.read(TEN), Reading { time: LATER.after(TEN), trust: Trust::AtLeast });
        let older = FleetTime::starting(Some(Timestamp(5)));
        assert_eq!(older.read(Duration::ZERO).time, BUILT);
    }

    #[test]
    fn a_welcome_sets_the_time_in_both_directions() {
        let mut time = FleetTime::starting(Some(LATER));
        time.correct(BUILT, TEN);
        assert_eq!(time.read(TEN + TEN), Reading { time: BUILT.after(TEN), trust: Trust::Known });
    }

    #[test]
    fn the_first_welcome_sets_right_what_was_read_before() {
        let mut time = FleetTime::starting(Some(LATER));
        let early = time.read(TEN).time;
        let week = Duration::from_secs(7 * 86_400);
        let correction = time.correct(LATER.after(week), TEN + TEN).unwrap();
        assert_eq!(correction.of(early).after(TEN), LATER.after(week));
        assert_eq!(time.correct(BUILT, TEN + TEN), None, "what was read since the first stands");
    }

    #[test]
    fn a_control_plane_in_1970_sets_no_device_back_before_it_was_built() {
        let mut time = FleetTime::starting(None);
        time.correct(Timestamp::ZERO.after(TEN), TEN);
        assert_eq!(time.read(TEN), Reading { time: BUILT, trust: Trust::Known });
    }

    #[test]
    fn the_build_time_is_read_from_digits() {
        assert_eq!(seconds(b"1793491200"), 1_793_491_200);
        assert!(BUILT > Timestamp::ZERO);
    }
}
