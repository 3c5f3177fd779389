//! What the arguments ask for.

use std::fmt;
use std::path::PathBuf;

use crate::level::Level;
use crate::timestamp::{Cursor, Timestamp};

/// What to scan and what of it to report.
#[derive(Debug, PartialEq)]
pub struct Options {
    /// A folder, searched with everything below it, or one file.
    pub root: PathBuf,
    /// Length of the lists in the report.
    pub top: usize,
    /// Lines older than this are left out.
    pub since: Option<Timestamp>,
    /// Lines less severe than this, or of unknown level, are left out.
    pub level: Option<Level>,
}

impl Options {
    /// Shown with `--help` and after a [`UsageError`].
    pub const USAGE: &'static str = "\
usage: host-logs [--top N] [--since WHEN] [--level LEVEL] [PATH]

  PATH           folder or file to scan (default /logs)
  --top N        length of the lists, 1 to 1000 (default 10)
  --since WHEN   leave out older lines: 2026-11-21T10:00:00Z, 2026-11-21, or an age such as 90m, 24h, 7d
  --level LEVEL  leave out lines below debug, info, notice, warning, error or critical
";

    /// Reads the arguments after the program's name; ages count back from `now`.
    pub fn parse(arguments: &[String], now: Timestamp) -> Result<Self, UsageError> {
        let mut options = Self { root: PathBuf::new(), top: DEFAULT_TOP, since: None, level: None };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let (name, inline) =
                word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            let mut value = || inline.or_else(|| words.next().map(String::as_str)).unwrap_or_default();
            match name {
                "--top" => options.top = parse_top(value())?,
                "--since" => options.since = Some(parse_since(value(), now)?),
                "--level" => options.level = Some(parse_level(value())?),
                _ if word.starts_with('-') => return Err(UsageError(format!("unknown option `{word}`"))),
                _ if options.root.as_os_str().is_empty() => options.root = word.into(),
                _ => return Err(UsageError(format!("one path is enough, `{word}` is a second"))),
            }
        }
        if options.root.as_os_str().is_empty() {
            options.root = DEFAULT_ROOT.into();
        }
        Ok(options)
    }
}

/// Arguments that make no sense, and why.
#[derive(Debug, PartialEq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

fn parse_top(text: &str) -> Result<usize, UsageError> {
    let number = text.parse().ok().filter(|number| (1..=MAX_TOP).contains(number));
    number.ok_or_else(|| UsageError(format!("--top takes a number from 1 to {MAX_TOP}, not `{text}`")))
}

fn parse_level(text: &str) -> Result<Level, UsageError> {
    Level::from_word(text)
        .ok_or_else(|| UsageError(format!("--level takes the name of a level, not `{text}`")))
}

fn parse_since(text: &str, now: Timestamp) -> Result<Timestamp, UsageError> {
    let date_only =
        || Cursor(&format!("{text}T00:00:00")).iso_time().map(|(time, rest)| (time, rest.is_empty()));
    let complete = Cursor(text).iso_time().map(|(time, rest)| (time, rest.is_empty()));
    match complete.or_else(date_only) {
        Some((time, true)) => Ok(time),
        _ => parse_age_ms(text).map(|age| now.earlier(age)).ok_or_else(|| {
            UsageError(format!(
                "--since takes a time such as 2026-11-21T10:00:00Z or an age such as 24h, not `{text}`"
            ))
        }),
    }
}

/// `90m` and the like.
fn parse_age_ms(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    i64::from(number.parse::<u32>().ok()?).checked_mul(unit_ms)
}

const DEFAULT_ROOT: &str = "/logs";
const DEFAULT_TOP: usize = 10;
const MAX_TOP: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, UsageError> {
        let (now, _) = Cursor("2026-11-21T12:00:00Z").iso_time().unwrap();
        Options::parse(&text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>(), now)
    }

    #[test]
    fn without_arguments_everything_below_logs_is_scanned() {
        let expected = Options { root: "/logs".into(), top: 10, since: None, level: None };
        assert_eq!(parse("").unwrap(), expected);
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        let options = parse("--top=3 --level warning /var/log").unwrap();
        assert_eq!((options.top, options.level, options.root), (3, Some(Level::Warning), "/var/log".into()));
    }

    #[test]
    fn since_is_a_time_a_date_or_an_age() {
        for (text, expected) in [
            ("2026-11-20T01:02:03Z", "2026-11-20T01:02:03.000Z"),
            ("2026-11-20", "2026-11-20T00:00:00.000Z"),
            ("24h", "2026-11-20T12:00:00.000Z"),
            ("7d", "2026-11-14T12:00:00.000Z"),
        ] {
            assert_eq!(parse(&format!("--since {text}")).unwrap().since.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, part) in [
            ("--top 0", "from 1 to 1000, not `0`"),
            ("--top", "not ``"),
            ("--since yesterday", "not `yesterday`"),
            ("--since 5µ", "not `5µ`"),
            ("--level loud", "not `loud`"),
            ("--fast", "unknown option `--fast`"),
            ("/a /b", "`/b` is a second"),
        ] {
            let error = parse(arguments).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
