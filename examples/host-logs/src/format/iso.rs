//! Lines that begin with an ISO-like time: rsyslog's precise format, dpkg, databases, most programs' own logs.

use super::{Line, syslog};
use crate::level::Level;
use crate::timestamp::Cursor;

pub(super) fn parse(text: &str) -> Option<Line<'_>> {
    let (time, rest) = Cursor(text).iso_time()?;
    let rest = rest.trim_start_matches([' ', '\t']);
    // Only syslog daemons write the `T`, a host and a tag; with a blank the next words are the program's own.
    let is_syslog = text.as_bytes().get(DATE_BYTES) == Some(&b'T');
    let line = if is_syslog { syslog::with_header(time, rest) } else { None };
    let line = line.unwrap_or_else(|| Line::timed(time, rest));
    let level = if line.unit.is_none() { stated_level(rest) } else { None };
    Some(Line { level, ..line })
}

/// The first of the leading words that names a level, whatever brackets it stands in.
fn stated_level(text: &str) -> Option<Level> {
    let words = text.split_ascii_whitespace().take(MAX_LEADING_WORDS);
    words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric())).find_map(Level::from_word)
}

const DATE_BYTES: usize = "2026-11-21".len();

/// `[thread] - logger - LEVEL` is as far as any common layout goes.
const MAX_LEADING_WORDS: usize = 5;
