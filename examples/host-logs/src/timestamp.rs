//! Points in time as log files write them. Times without a zone are taken as UTC.

use std::fmt;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A calendar time in UTC, or `None` if a part is out of range.
    pub(crate) fn from_civil(date: Date, time: TimeOfDay) -> Option<Self> {
        let valid = (1..=12).contains(&date.month) && (1..=31).contains(&date.day);
        let valid = valid && time.hour < 24 && time.minute < 60 && time.second <= 60;
        let seconds = days_since_epoch(date) * 86_400 + time.hour * 3_600 + time.minute * 60 + time.second;
        valid.then_some(Self(seconds * 1_000 + time.millisecond))
    }

    /// A number of seconds, milli-, micro- or nanoseconds since 1970; the unit is told by the size of the number.
    pub(crate) fn from_number(number: f64) -> Option<Self> {
        let per_millisecond = match number {
            n if n < 1e8 => return None,
            n if n < 1e11 => 1e-3,
            n if n < 1e14 => 1.0,
            n if n < 1e17 => 1e3,
            _ => 1e6,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a millisecond does not matter")]
        Some(Self((number / per_millisecond) as i64))
    }

    pub(crate) fn year(self) -> i64 {
        date_of(self.0.div_euclid(DAY_MS)).year
    }

    pub(crate) fn earlier(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_sub(milliseconds))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let milliseconds =
            |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self(milliseconds(after)),
            Err(before) => Self(-milliseconds(before.duration())),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = date_of(self.0.div_euclid(DAY_MS));
        let milliseconds = self.0.rem_euclid(DAY_MS);
        let (seconds, fraction) = (milliseconds / 1_000, milliseconds % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

#[derive(Clone, Copy)]
pub(crate) struct TimeOfDay {
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) millisecond: i64,
}

/// A position in a text of which times are read piece by piece.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a str);

impl<'a> Cursor<'a> {
    /// `2026-11-21T10:49:01.5+01:00` and its many relatives: `/` for `-`, blanks for `T`, `,` for `.`, no zone.
    pub(crate) fn iso_time(self) -> Option<(Timestamp, &'a str)> {
        let (year, rest) = self.digits(4)?;
        let separator = *rest.0.as_bytes().first()?;
        let (month, rest) = rest.one_of(b"-/")?.digits(2)?;
        let (day, rest) = rest.one_of(&[separator])?.digits(2)?;
        let rest = Cursor(rest.one_of(b"T ")?.0.trim_start_matches(' '));
        let (time, rest) = rest.time_of_day()?;
        let (offset, rest) = rest.zone();
        Some((Timestamp::from_civil(Date { year, month, day }, time)?.earlier(offset), rest))
    }

    /// `Nov 21 10:49:01`, which has no year: the latest one that does not lie after `reference`.
    pub(crate) fn syslog_time(self, reference: Timestamp) -> Option<(Timestamp, &'a str)> {
        let (month, rest) = self.month_name()?;
        let rest = Cursor(rest.one_of(b" ")?.0.trim_start_matches(' '));
        let (day, rest) = rest.digits(2).or_else(|| rest.digits(1))?;
        let (time, rest) = rest.one_of(b" ")?.time_of_day()?;
        // A day of grace: the file's time is in UTC, the line's perhaps not.
        let limit = reference.earlier(-DAY_MS);
        let in_year = |year| Timestamp::from_civil(Date { year, month, day }, time);
        let guess = in_year(limit.year())?;
        let timestamp = if guess > limit { in_year(limit.year() - 1)? } else { guess };
        Some((timestamp, rest.0))
    }

    /// `21/Nov/2026:10:49:01 +0000`, as web servers write it.
    pub(crate) fn access_time(self) -> Option<(Timestamp, &'a str)> {
        let (day, rest) = self.digits(2)?;
        let (month, rest) = rest.one_of(b"/")?.month_name()?;
        let (year, rest) = rest.one_of(b"/")?.digits(4)?;
        let (time, rest) = rest.one_of(b":")?.time_of_day()?;
        let (offset, rest) = rest.one_of(b" ").unwrap_or(rest).zone();
        Some((Timestamp::from_civil(Date { year, month, day }, time)?.earlier(offset), rest))
    }

    fn time_of_day(self) -> Option<(TimeOfDay, Self)> {
        let (hour, rest) = self.digits(2)?;
        let (minute, rest) = rest.one_of(b":")?.digits(2)?;
        let (second, rest) = rest.one_of(b":")?.digits(2)?;
        let (millisecond, rest) = rest.fraction();
        Some((TimeOfDay { hour, minute, second, millisecond }, rest))
    }

    /// The first three digits of a fraction, as milliseconds; the rest of it is skipped.
    fn fraction(self) -> (i64, Self) {
        let Some(after) = self.one_of(b".,") else { return (0, self) };
        let length = after.0.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return (0, self);
        }
        let milliseconds = after.0.bytes().take(length).chain([b'0'; 3]).take(3);
        (milliseconds.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), Self(&after.0[length..]))
    }

    /// The offset from UTC in milliseconds: `Z`, ` UTC`, `+01:00`, `-0800`, or nothing.
    fn zone(self) -> (i64, &'a str) {
        for name in ["Z", " UTC", " GMT"] {
            if let Some(rest) = self.0.strip_prefix(name) {
                return (0, rest);
            }
        }
        self.numeric_zone().unwrap_or((0, self.0))
    }

    fn numeric_zone(self) -> Option<(i64, &'a str)> {
        let sign = if self.0.starts_with('-') { -1 } else { 1 };
        let (hours, rest) = self.one_of(b"+-")?.digits(2)?;
        let (minutes, rest) = rest.one_of(b":").unwrap_or(rest).digits(2)?;
        Some((sign * (hours * 60 + minutes) * 60_000, rest.0))
    }

    fn month_name(self) -> Option<(i64, Self)> {
        let name = self.0.get(..3)?;
        let index = MONTHS.iter().position(|month| *month == name)?;
        Some((i64::try_from(index).ok()? + 1, Self(&self.0[3..])))
    }

    fn digits(self, count: usize) -> Option<(i64, Self)> {
        let digits = self.0.as_bytes().get(..count)?;
        let all_digits = digits.iter().all(u8::is_ascii_digit);
        let value = || digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        all_digits.then(|| (value(), Self(&self.0[count..])))
    }

    fn one_of(self, bytes: &[u8]) -> Option<Self> {
        let first = self.0.as_bytes().first()?;
        bytes.contains(first).then(|| Self(&self.0[1..]))
    }
}

/// Howard Hinnant's `days_from_civil`: the year is taken to begin in March, so the leap day comes last.
fn days_since_epoch(date: Date) -> i64 {
    let year = if date.month <= 2 { date.year - 1 } else { date.year };
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

/// The reverse, `civil_from_days`.
fn date_of(days_since_epoch: i64) -> Date {
    let days = days_since_epoch + 719_468;
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
    Date { year, month, day: day_of_year - (153 * shifted_month + 2) / 5 + 1 }
}

const DAY_MS: i64 = 86_400_000;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(text: &str) -> String {
        Cursor(text).iso_time().map_or_else(|| "none".to_owned(), |(time, rest)| format!("{time}|{rest}"))
    }

    #[test]
    fn iso_times_come_in_many_spellings() {
        assert_eq!(iso("2026-11-21T10:49:01Z x"), "2026-11-21T10:49:01.000Z| x");
        assert_eq!(iso("2026-11-21T10:49:01.123456+01:00 x"), "2026-11-21T09:49:01.123Z| x");
        assert_eq!(iso("2026-11-21 10:49:01,5 -0830 x"), "2026-11-21T10:49:01.500Z| -0830 x");
        assert_eq!(iso("2026-11-21  10:49:01"), "2026-11-21T10:49:01.000Z|");
        assert_eq!(iso("2026/02/28 23:59:60 [error]"), "2026-03-01T00:00:00.000Z| [error]");
        assert_eq!(iso("2026-05-20 10:00:00.25 UTC [7]"), "2026-05-20T10:00:00.250Z| [7]");
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for text in
            ["", "2026", "2026-13-01 00:00:00", "2026-01-01 24:00:00", "2026-01/01 00:00:00", "größer"]
        {
            assert_eq!(iso(text), "none", "{text}");
        }
    }

    #[test]
    fn a_missing_year_is_the_latest_that_fits() {
        let (reference, _) = Cursor("2026-01-02T00:00:00Z").iso_time().unwrap();
        let read = |text| Cursor(text).syslog_time(reference).unwrap().0.to_string();
        assert_eq!(read("Dec 31 23:00:00 host"), "2025-12-31T23:00:00.000Z");
        assert_eq!(read("Jan  2 01:00:00 host"), "2026-01-02T01:00:00.000Z");
    }

    #[test]
    fn access_times_carry_their_zone() {
        let (time, rest) = Cursor("21/Nov/2026:10:49:01 +0200] x").access_time().unwrap();
        assert_eq!((time.to_string().as_str(), rest), ("2026-11-21T08:49:01.000Z", "] x"));
    }

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        for number in [1_795_258_141.0, 1_795_258_141_000.0, 1_795_258_141_000_000.0, 1.795_258_141e18] {
            assert_eq!(Timestamp::from_number(number).unwrap().to_string(), "2026-11-21T10:49:01.000Z");
        }
        assert_eq!(Timestamp::from_number(12.0), None);
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for day in (-800_000..800_000).step_by(97) {
            assert_eq!(days_since_epoch(date_of(day)), day);
        }
    }
}
