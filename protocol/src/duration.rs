//! Durations as Go writes them: `1h30m`, `1.5s`, `300ms`. There is no unit for days.

use std::time::Duration;

const UNITS: [(&str, f64); 7] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads a duration; `None` for anything that is not one, negative ones included.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(nanos / 1e9).ok()).flatten()
}

/// Writes a duration the way Go does: `5m0s`, `1h0m0s`, `300ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 && duration.subsec_nanos() > 0 {
        return match duration.subsec_nanos() {
            n if n >= 1_000_000 => format!("{}ms", f64::from(n) / 1e6),
            n if n >= 1_000 => format!("{}µs", f64::from(n) / 1e3),
            n => format!("{n}ns"),
        };
    }
    let fraction = f64::from(duration.subsec_nanos()) / 1e9;
    let tail = match fraction {
        0.0 => format!("{}s", seconds % 60),
        _ => format!("{}s", f64::from(u32::try_from(seconds % 60).unwrap_or(0)) + fraction),
    };
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => tail,
        (0, minutes) => format!("{minutes}m{tail}"),
        (hours, minutes) => format!("{hours}h{minutes}m{tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        assert_eq!(parse("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(parse("0"), Some(Duration::ZERO));
        for bad in ["", "5", "s", "10days", "-5s", "1..5s", "5 s", "1h30"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn writes_what_go_writes() {
        for text in ["0s", "10s", "5m0s", "1h0m0s", "300ms", "1.5s", "2h45m3s"] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
    }
}
