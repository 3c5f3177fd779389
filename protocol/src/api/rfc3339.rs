//! Times written as RFC 3339 text; the zero time is Go's `0001-01-01T00:00:00Z`.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::time::Timestamp;

pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(Timestamp::ZERO) };
    parse(&text)
        .ok_or_else(|| D::Error::custom(format!("{text:?} is not a time like 2024-11-05T10:12:13.5Z")))
}

/// Years before 1678 and after 2262 do not fit a [`Timestamp`]; they are read as the zero time.
fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, offset_s) = split_offset(rest)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(whole, ':')?;
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_s;
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds(fraction)?);
    Some(i64::try_from(nanos).map_or(Timestamp::ZERO, Timestamp))
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(digits);
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// Digits only, few enough never to overflow.
fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn nanoseconds(fraction: &str) -> Option<i64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let nine = fraction.get(..9).unwrap_or(fraction);
    Some(digits(nine)? * 10_i64.pow(9 - u32::try_from(nine.len()).ok()?))
}

/// Splits `Z`, `+02:00` or `-02:00` off; the offset is in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = text.rfind(['+', '-'])?;
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let seconds = digits(hours)? * 3600 + digits(minutes)? * 60;
    Some((&text[..at], if text[at..].starts_with('-') { -seconds } else { seconds }))
}

/// Day number from 1970-01-01 of a Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_writes() {
        assert_eq!(parse("2024-11-05T10:12:13.123456789Z"), Some(Timestamp(1_730_801_533_123_456_789)));
        assert_eq!(parse("2024-11-05T12:12:13.1+02:00"), Some(Timestamp(1_730_801_533_100_000_000)));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Some(Timestamp::ZERO));
        for bad in
            ["", "now", "2024-13-01T00:00:00Z", "2024-11-05", "2024-11-05T10:12Z", "2024-11-05T10:12:13é"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_time_survives_printing_and_reading(nanos in any::<i64>()) {
            let time = Timestamp(nanos);
            prop_assert_eq!(parse(&time.to_string()), Some(time));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
