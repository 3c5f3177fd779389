//! Durations in messages.

use std::time::Duration;

/// As Go prints whole seconds: `5s`, `1m0s`, `2h0m30s`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        let text = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([text(5), text(60), text(7230)], ["5s", "1m0s", "2h0m30s"]);
    }
}
