//! How long to wait before the next attempt. Pure: the caller passes chance and time.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// First wait after a failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait after failures.
const LONGEST: Duration = Duration::from_secs(120);
/// Shortest wait of a node that is no member any more; the longest is twice this. An administrator who changes their
/// mind is heard within two minutes, and a thousand such nodes ask some ten times a second.
const UNWANTED: Duration = Duration::from_secs(60);
/// The same where another agent with this node's key has taken its place: two that take turns must do so slowly.
const SUPERSEDED: Duration = Duration::from_secs(300);
/// A control plane that restarts sees its fleet come back spread over this.
const RESTART_SPREAD: Duration = Duration::from_millis(500);
/// A connection that lived this long was a good one.
const STABLE: Duration = Duration::from_secs(30);

/// How an attempt or a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It could not be made, or broke.
    Lost,
    /// The control plane closed it in good order, or came back without memory of it.
    Restarted,
    /// The control plane did not let the node in, and said how long it has to wait at least.
    Refused(Duration),
    /// The node is no member any more.
    Unwanted,
    /// Another agent with this node's key has taken its place, from this address if the control plane said it.
    Superseded(Option<SocketAddr>),
    /// The agent stops.
    Goodbye,
}

/// In words, for the log.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "the connection broke or could not be made",
            Self::Restarted => "the control plane closed the connection or has restarted",
            Self::Refused(_) => "the control plane did not let this node in",
            Self::Unwanted => "this node is no member any more",
            Self::Superseded(_) => "another agent with this node's key has taken its place",
            Self::Goodbye => "the agent stops",
        })
    }
}

/// The state of the waiting.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after a connection that lived for `lived` since its welcome, or an attempt (zero). `chance` is
    /// a random number.
    pub(super) fn wait(&mut self, ended: Ended, lived: Duration, chance: u64) -> Duration {
        if lived >= STABLE {
            self.failures = 0;
        }
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        match ended {
            Ended::Restarted if failures == 0 => spread(Duration::ZERO, RESTART_SPREAD, chance),
            Ended::Unwanted => spread(UNWANTED, UNWANTED, chance),
            Ended::Superseded(_) => spread(SUPERSEDED, SUPERSEDED, chance),
            Ended::Refused(at_least) => spread(at_least, at_least, chance).max(growing(failures, chance)),
            Ended::Lost | Ended::Restarted | Ended::Goodbye => growing(failures, chance),
        }
    }
}

fn growing(failures: u32, chance: u64) -> Duration {
    let full = FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST);
    spread(full / 2, full / 2, chance)
}

/// A time between `from` and `from + width`.
fn spread(from: Duration, width: Duration, chance: u64) -> Duration {
    let nanos = u128::from(chance) * width.as_nanos() / u128::from(u64::MAX);
    from + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = u64::MAX;

    #[test]
    fn waits_grow_up_to_two_minutes_and_are_spread() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> =
            (0..9).map(|_| backoff.wait(Ended::Lost, Duration::ZERO, MOST).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        assert_eq!(backoff.wait(Ended::Lost, Duration::ZERO, 0), LONGEST / 2);
    }

    #[test]
    fn a_good_connection_starts_over() {
        let mut backoff = Backoff { failures: 9 };
        assert_eq!(backoff.wait(Ended::Lost, STABLE, MOST), FIRST);
    }

    #[test]
    fn a_restart_is_followed_at_once_but_not_again_and_again() {
        let mut backoff = Backoff::default();
        assert!(backoff.wait(Ended::Restarted, Duration::ZERO, MOST) <= RESTART_SPREAD);
        assert_eq!(backoff.wait(Ended::Restarted, Duration::ZERO, MOST), FIRST * 2);
        assert!(backoff.wait(Ended::Restarted, STABLE, MOST) <= RESTART_SPREAD);
    }

    #[test]
    fn an_unwanted_node_asks_slowly_and_a_refused_one_when_told() {
        let mut backoff = Backoff::default();
        for (ended, least) in [(Ended::Unwanted, UNWANTED), (Ended::Superseded(None), SUPERSEDED)] {
            assert_eq!(backoff.wait(ended, Duration::ZERO, 0), least);
            assert_eq!(backoff.wait(ended, Duration::ZERO, MOST), least * 2);
        }
        let told = Duration::from_secs(900);
        assert_eq!(backoff.wait(Ended::Refused(told), Duration::ZERO, 0), told);
        assert_eq!(backoff.wait(Ended::Refused(told), Duration::ZERO, MOST), told * 2);
    }

    #[test]
    fn a_node_that_stays_refused_asks_every_minute_or_two() {
        let mut backoff = Backoff::default();
        let refused = || Ended::Refused(Duration::from_secs(15));
        (0..20).for_each(|_| _ = backoff.wait(refused(), Duration::ZERO, MOST));
        assert_eq!(backoff.wait(refused(), Duration::ZERO, 0), LONGEST / 2);
        assert_eq!(backoff.wait(refused(), Duration::ZERO, MOST), LONGEST);
    }
}
