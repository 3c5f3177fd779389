//! The document that is printed. Field order is the order of the JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::level::Level;
use crate::timestamp::Timestamp;

/// What the logs of one host say.
#[derive(Debug, Serialize)]
pub struct Report {
    pub root: String,
    pub files: Files,
    /// Bytes of text, after decompression.
    pub bytes: u64,
    pub lines: u64,
    /// Lines that are left after `--since` and `--level`; everything below counts only these.
    pub matching_lines: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Lines per level, worst first; `unknown` where neither the format nor the words tell.
    pub levels: Vec<LevelCount>,
    pub units: Vec<UnitCount>,
    pub frequent: Vec<FrequentLine>,
    /// False if there were too many different units or lines to keep; counts are then lower bounds.
    pub counts_are_exact: bool,
    pub slowest: Vec<SlowLine>,
}

#[derive(Debug, Default, Serialize)]
pub struct Files {
    pub read: u64,
    /// How many of those were compressed.
    pub gzip: u64,
    /// How many of those could be read only in part.
    pub damaged: u64,
    /// Reason and number.
    pub skipped: BTreeMap<&'static str, u64>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct LevelCount {
    pub level: &'static str,
    pub lines: u64,
}

#[derive(Debug, Serialize)]
pub struct UnitCount {
    pub unit: String,
    pub lines: u64,
    /// How many of those are errors or worse.
    pub errors: u64,
}

#[derive(Debug, Serialize)]
pub struct FrequentLine {
    pub lines: u64,
    /// The worst one.
    pub level: Option<Level>,
    /// Unit and message, with `#` for what varies.
    pub line: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct SlowLine {
    pub ms: f64,
    pub time: Option<Timestamp>,
    pub unit: String,
    pub line: String,
}
