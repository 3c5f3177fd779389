//! Taking a log line apart: who says what, when, and how bad it is. One file per family of formats.

mod access;
mod iso;
mod json;
mod syslog;

use std::borrow::Cow;

use crate::level::Level;
use crate::timestamp::{Cursor, Timestamp};

/// A line in its parts. What a format does not say is `None`.
#[derive(Debug, PartialEq)]
pub(crate) struct Line<'a> {
    pub(crate) time: Option<Timestamp>,
    pub(crate) level: Option<Level>,
    pub(crate) unit: Option<Cow<'a, str>>,
    pub(crate) message: Cow<'a, str>,
    /// Stated as a field; durations in the text are found by [`crate::duration`].
    pub(crate) duration_ms: Option<f64>,
}

impl<'a> Line<'a> {
    fn plain(message: &'a str) -> Self {
        Self { time: None, level: None, unit: None, message: message.into(), duration_ms: None }
    }

    fn timed(time: Timestamp, message: &'a str) -> Self {
        Self { time: Some(time), ..Self::plain(message) }
    }
}

/// Parses `text` as the first format that fits; any text is at least a plain message.
///
/// `reference` is about when the line was written at the latest, for formats without a year.
pub(crate) fn parse(text: &str, reference: Timestamp) -> Line<'_> {
    let parsed = match text.as_bytes().first() {
        Some(b'{') => json::parse(text),
        Some(b'<') => syslog::parse_with_priority(text, reference),
        Some(b'0'..=b'9') => iso::parse(text).or_else(|| access::parse(text)),
        Some(b'A'..=b'Z') => syslog::parse(text, reference).or_else(|| labelled_time(text)),
        Some(b'a'..=b'z' | b':') => access::parse(text).or_else(|| named_time(text)),
        _ => None,
    };
    parsed.unwrap_or_else(|| Line::plain(text))
}

/// `Start-Date: 2026-09-22  04:55:18`, as in apt's history. The label stays in the message.
fn labelled_time(text: &str) -> Option<Line<'_>> {
    let (_, after) = text.split_once(": ")?;
    let (time, _) = Cursor(after).iso_time()?;
    Some(Line::timed(time, text))
}

/// `update-alternatives 2025-06-24 14:36:53: run with …`: the program's name comes first.
fn named_time(text: &str) -> Option<Line<'_>> {
    let (unit, after) = text.split_once(' ')?;
    let (time, rest) = Cursor(after).iso_time()?;
    let message = rest.trim_start_matches([':', ' ']);
    Some(Line { unit: Some(unit.into()), ..Line::timed(time, message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `time|level|unit|message`, with `-` for what is not said.
    fn parts(text: &str) -> String {
        let (reference, _) = Cursor("2026-11-22T00:00:00Z").iso_time().unwrap();
        let line = parse(text, reference);
        let or_dash = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        let time = or_dash(line.time.map(|time| time.to_string()));
        let level = or_dash(line.level.map(|level| level.to_string()));
        format!("{time}|{level}|{}|{}", or_dash(line.unit.map(Cow::into_owned)), line.message)
    }

    #[test]
    fn each_format_is_recognised() {
        for (text, expected) in [
            (
                "Nov 21 10:49:01 host sshd[812]: Failed password for root",
                "2026-11-21T10:49:01.000Z|-|sshd|Failed password for root",
            ),
            ("<11>Nov 21 10:49:01 host su: bad luck", "2026-11-21T10:49:01.000Z|error|su|bad luck"),
            (
                "<165>1 2026-11-21T10:49:01.5Z host app 12 ID47 [a b=\"]\"] it runs",
                "2026-11-21T10:49:01.500Z|notice|app|it runs",
            ),
            (
                "2026-11-21T10:49:01.000001+00:00 host systemd[1]: Started x.",
                "2026-11-21T10:49:01.000Z|-|systemd|Started x.",
            ),
            (
                "2025-06-24 14:36:25 status installed libc6:amd64 2.36",
                "2025-06-24T14:36:25.000Z|-|-|status installed libc6:amd64 2.36",
            ),
            (
                "2026-05-20 10:00:00.123 UTC [77] LOG:  checkpoint starting",
                "2026-05-20T10:00:00.123Z|info|-|[77] LOG:  checkpoint starting",
            ),
            (
                "2026/11/21 10:49:01 [error] 12#12: open() failed",
                "2026-11-21T10:49:01.000Z|error|-|[error] 12#12: open() failed",
            ),
            (
                "2026-11-21 10:49:01,123 - app.db - WARNING - slow",
                "2026-11-21T10:49:01.123Z|warning|-|- app.db - WARNING - slow",
            ),
            (
                "10.0.0.1 - - [21/Nov/2026:10:49:01 +0000] \"GET / HTTP/1.1\" 503 0",
                "2026-11-21T10:49:01.000Z|error|-|\"GET / HTTP/1.1\" 503 0",
            ),
            (
                "{\"level\":\"warn\",\"ts\":1795258141.5,\"logger\":\"db\",\"msg\":\"slow \\\"x\\\"\"}",
                "2026-11-21T10:49:01.500Z|warning|db|slow \"x\"",
            ),
            (
                "Start-Date: 2026-09-22  04:55:18",
                "2026-09-22T04:55:18.000Z|-|-|Start-Date: 2026-09-22  04:55:18",
            ),
            (
                "update-alternatives 2025-06-24 14:36:53: run with --quiet",
                "2025-06-24T14:36:53.000Z|-|update-alternatives|run with --quiet",
            ),
            ("  at main.rs:12", "-|-|-|  at main.rs:12"),
            ("{not json", "-|-|-|{not json"),
            ("<999>x", "-|-|-|<999>x"),
            ("", "-|-|-|"),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }
}
