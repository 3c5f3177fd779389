//! Durations that the text of a line speaks of.

/// The longest duration named in `message`, in milliseconds: `took 123ms`, `in 4.5s`, `elapsed=1min 2s`.
///
/// A number with a unit counts only after a word that says a duration follows: `12 s` may as well be a plural.
pub(crate) fn longest_ms(message: &str) -> Option<f64> {
    let bytes = message.as_bytes();
    let mut longest = None::<f64>;
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(u8::is_ascii_digit) {
        let start = at + offset;
        at = start + number_length(&bytes[start..]);
        let is_whole_word =
            start == 0 || !(bytes[start - 1].is_ascii_alphanumeric() || bytes[start - 1] == b'.');
        if is_whole_word && announces_duration(&bytes[..start]) {
            let found = sum_of_parts(&message[start..]);
            longest = found.map(|ms| longest.map_or(ms, |other| other.max(ms))).or(longest);
        }
    }
    longest
}

/// `1min 2.5s` is one duration in two parts.
fn sum_of_parts(text: &str) -> Option<f64> {
    let (mut total, mut rest) = part(text)?;
    while let Some((ms, after)) = part(rest.trim_start_matches(' ')) {
        total += ms;
        rest = after;
    }
    Some(total)
}

/// A number and its unit, and what follows them.
fn part(text: &str) -> Option<(f64, &str)> {
    let (number, rest) = text.split_at(number_length(text.as_bytes()));
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let unit_length = rest.find(|character: char| !character.is_alphanumeric()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_length);
    Some((number.parse::<f64>().ok()? * unit_in_ms(unit)?, rest))
}

fn number_length(bytes: &[u8]) -> usize {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(bytes);
    match bytes.get(whole) {
        Some(b'.') if bytes.get(whole + 1).is_some_and(u8::is_ascii_digit) => {
            whole + 1 + digits(&bytes[whole + 1..])
        }
        _ => whole,
    }
}

fn unit_in_ms(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e-6),
        "us" | "µs" | "μs" => Some(1e-3),
        "ms" | "msec" | "millis" | "milliseconds" => Some(1.0),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1e3),
        "min" | "mins" | "minute" | "minutes" => Some(6e4),
        "h" | "hour" | "hours" => Some(3.6e6),
        _ => None,
    }
}

/// Whether the last word before a number says that the number is a duration.
fn announces_duration(before: &[u8]) -> bool {
    let end = before.iter().rposition(u8::is_ascii_alphabetic).map_or(0, |last| last + 1);
    if before.len() - end > MAX_GAP {
        return false;
    }
    let start = before[..end].iter().rposition(|byte| !byte.is_ascii_alphabetic()).map_or(0, |gap| gap + 1);
    let word = &before[start..end];
    ANNOUNCING.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// `duration: "` is a gap of three characters.
const MAX_GAP: usize = 3;

const ANNOUNCING: [&str; 11] =
    ["took", "in", "after", "for", "duration", "elapsed", "latency", "time", "runtime", "consumed", "spent"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_found_in_all_their_units() {
        for (message, ms) in [
            ("query took 123ms", 123.0),
            ("Startup finished in 4.5s.", 4_500.0),
            ("duration: 12.5 ms  statement: SELECT 1", 12.5),
            ("request done latency=250us", 0.25),
            ("elapsed=\"2 seconds\"", 2_000.0),
            ("Startup finished in 1min 2.5s.", 62_500.0),
        ] {
            assert_eq!(longest_ms(message), Some(ms), "{message}");
        }
    }

    #[test]
    fn the_longest_of_several_counts() {
        assert_eq!(longest_ms("first in 2s, then took 9ms"), Some(2_000.0));
    }

    #[test]
    fn numbers_that_are_no_durations_are_left_alone() {
        for message in
            ["5 s", "in 2026", "for v1.5s", "retry every 5s", "took ms", "in 3 steps", "in 4smart", ""]
        {
            assert_eq!(longest_ms(message), None, "{message}");
        }
    }

    #[test]
    fn non_ascii_text_is_no_obstacle() {
        assert_eq!(longest_ms("größte Anfrage took 7µs — ende"), Some(0.007));
    }
}
