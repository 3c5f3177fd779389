//! RFC 3164 and RFC 5424, with and without the priority that syslog daemons strip before writing a file.

use super::Line;
use crate::level::Level;
use crate::timestamp::{Cursor, Timestamp};

/// `<34>…`: the priority, then either format.
pub(super) fn parse_with_priority(text: &str, reference: Timestamp) -> Option<Line<'_>> {
    let (priority, rest) = text.strip_prefix('<')?.split_once('>')?;
    let priority = priority.parse::<u32>().ok().filter(|priority| *priority <= MAX_PRIORITY)?;
    let line = match rest.strip_prefix("1 ") {
        Some(versioned) => parse_rfc5424(versioned)?,
        None => parse(rest, reference).unwrap_or_else(|| Line::plain(rest)),
    };
    Some(Line { level: Some(Level::from_syslog_severity(priority % 8)), ..line })
}

/// `Nov 21 10:49:01 host unit[pid]: message`.
pub(super) fn parse(text: &str, reference: Timestamp) -> Option<Line<'_>> {
    let (time, rest) = Cursor(text).syslog_time(reference)?;
    let rest = rest.strip_prefix(' ')?;
    Some(with_header(time, rest).unwrap_or_else(|| Line::timed(time, rest)))
}

/// `host unit[pid]: message`, the part after the time.
pub(super) fn with_header(time: Timestamp, text: &str) -> Option<Line<'_>> {
    let (_host, rest) = text.split_once(' ')?;
    let (tag, message) = rest.split_once(": ").or_else(|| rest.strip_suffix(':').map(|tag| (tag, "")))?;
    let unit = tag.split_once('[').map_or(tag, |(unit, _pid)| unit);
    let is_name = !unit.is_empty() && !unit.contains(' ');
    is_name.then(|| Line { unit: Some(unit.into()), ..Line::timed(time, message) })
}

/// `TIME HOST APP PROCID MSGID [STRUCTURED DATA] MESSAGE`.
fn parse_rfc5424(text: &str) -> Option<Line<'_>> {
    let (time, rest) = Cursor(text).iso_time()?;
    let mut words = rest.strip_prefix(' ')?.splitn(5, ' ');
    let (_host, unit, _process, _id) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let rest = words.next()?;
    let message = rest[structured_data_length(rest)..].trim_start_matches([' ', '\u{feff}']);
    Some(Line { unit: Some(unit.into()), ..Line::timed(time, message) })
}

/// `-`, or elements in brackets; a bracket inside quotes belongs to a value.
fn structured_data_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' if !quoted => depth += 1,
            b']' if !quoted => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => return index,
            _ => {}
        }
    }
    text.len()
}

/// Facility 23, severity 7.
const MAX_PRIORITY: u32 = 191;
