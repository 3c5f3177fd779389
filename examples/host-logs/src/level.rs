//! How bad a line is: said by its format, or else guessed from its words.

use std::fmt;

use serde::Serialize;

/// Ordered from harmless to bad, so that the worst is the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
}

impl Level {
    /// A word that names a level in the usual logging libraries, in any case.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let known = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        match word.len() {
            3..=11 if known(&["info", "information", "log", "statement"]) => Some(Self::Info),
            3..=8 if known(&["warn", "warning", "wrn"]) => Some(Self::Warning),
            3..=6 if known(&["error", "err", "severe"]) => Some(Self::Error),
            5..=6 if known(&["debug", "trace", "debug1"]) => Some(Self::Debug),
            6 if known(&["notice"]) => Some(Self::Notice),
            4..=9 if known(&["critical", "crit", "fatal", "emerg", "emergency", "alert", "panic"]) => {
                Some(Self::Critical)
            }
            _ => None,
        }
    }

    /// RFC 5424, section 6.2.1.
    pub(crate) fn from_syslog_severity(severity: u32) -> Self {
        match severity {
            0..=2 => Self::Critical,
            3 => Self::Error,
            4 => Self::Warning,
            5 => Self::Notice,
            6 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// Numbers in JSON lines: bunyan and pino count 10, 20 … 60; journald writes syslog severities.
    pub(crate) fn from_number(number: u32) -> Self {
        match number {
            0..=9 => Self::from_syslog_severity(number),
            10..=29 => Self::Debug,
            30..=39 => Self::Info,
            40..=49 => Self::Warning,
            50..=59 => Self::Error,
            _ => Self::Critical,
        }
    }

    pub(crate) fn from_http_status(status: u32) -> Self {
        match status {
            500.. => Self::Error,
            400..=499 => Self::Warning,
            _ => Self::Info,
        }
    }

    /// The worst level that the words of a message speak of, if any. "no errors" speaks of none, and so do names such as
    /// `libgpg-error`.
    pub(crate) fn mentioned_in(message: &str) -> Option<Self> {
        let mut worst = None;
        let mut negated = false;
        let is_gap = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        for word in message.as_bytes().split(is_gap).filter(|word| !word.is_empty()) {
            if !negated {
                worst = worst.max(alarming(word));
            }
            negated = matches!(word, b"no" | b"No" | b"0" | b"without");
        }
        worst
    }
}

/// Words that make a line without a level stand out.
fn alarming(word: &[u8]) -> Option<Level> {
    let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    match word.first()?.to_ascii_lowercase() {
        b'e' if is(&["error", "errors", "exception"]) => Some(Level::Error),
        b'f' if is(&["failed", "failure", "fail", "fails"]) => Some(Level::Error),
        b'f' if is(&["fatal"]) => Some(Level::Critical),
        b'p' if is(&["panic", "panicked"]) => Some(Level::Critical),
        b'c' if is(&["critical"]) => Some(Level::Critical),
        b'w' if is(&["warning", "warnings", "warn"]) => Some(Level::Warning),
        _ => None,
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(Level::from_word("WARN"), Some(Level::Warning));
        assert_eq!(Level::from_word("Error"), Some(Level::Error));
        assert_eq!(Level::from_word("statement"), Some(Level::Info));
        assert_eq!(Level::from_word("installed"), None);
    }

    #[test]
    fn the_worst_word_of_a_message_counts() {
        assert_eq!(Level::mentioned_in("warning: write failed"), Some(Level::Error));
        assert_eq!(Level::mentioned_in("kernel PANIC - not syncing"), Some(Level::Critical));
        assert_eq!(Level::mentioned_in("installed terror, libgpg-error and failover"), None);
    }

    #[test]
    fn a_denied_error_is_no_error() {
        assert_eq!(Level::mentioned_in("finished with 0 errors"), None);
        assert_eq!(Level::mentioned_in("no error, 1 warning"), Some(Level::Warning));
    }

    #[test]
    fn worse_is_greater() {
        assert!(Level::Critical > Level::Error && Level::Error > Level::Debug);
    }
}
