//! One JSON object per line, with the field names of the usual logging libraries.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Line;
use crate::level::Level;
use crate::timestamp::{Cursor, Timestamp};

pub(super) fn parse(text: &str) -> Option<Line<'_>> {
    let fields: Fields<'_> = serde_json::from_str(text).ok()?;
    Some(Line {
        time: fields.time.as_ref().and_then(Scalar::as_time),
        level: fields.level.as_ref().and_then(Scalar::as_level),
        unit: fields.unit.and_then(Scalar::into_text),
        message: fields.message.and_then(Scalar::into_text).unwrap_or(Cow::Borrowed(text)),
        duration_ms: fields.duration_ms.as_ref().and_then(Scalar::as_number),
    })
}

/// The fields we look for. Of several names for one thing the first in the line counts.
#[derive(Default)]
struct Fields<'a> {
    time: Option<Scalar<'a>>,
    level: Option<Scalar<'a>>,
    unit: Option<Scalar<'a>>,
    message: Option<Scalar<'a>>,
    duration_ms: Option<Scalar<'a>>,
}

impl<'a> Fields<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Option<Scalar<'a>>> {
        match key {
            "time" | "timestamp" | "ts" | "@timestamp" => Some(&mut self.time),
            "level" | "lvl" | "severity" | "PRIORITY" => Some(&mut self.level),
            "unit" | "service" | "logger" | "component" | "SYSLOG_IDENTIFIER" => Some(&mut self.unit),
            "msg" | "message" | "MESSAGE" => Some(&mut self.message),
            "duration_ms" | "elapsed_ms" | "latency_ms" | "took_ms" => Some(&mut self.duration_ms),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(Key(key)) = map.next_key()? {
            match fields.slot(&key) {
                Some(slot @ None) => *slot = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar<'a> {
    Number(f64),
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

impl<'a> Scalar<'a> {
    fn as_time(&self) -> Option<Timestamp> {
        match self {
            Self::Number(number) => Timestamp::from_number(*number),
            Self::Text(text) => Cursor(text).iso_time().map(|(time, _)| time),
            Self::Other(_) => None,
        }
    }

    fn as_level(&self) -> Option<Level> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
        let from_float = |number: f64| Level::from_number(number as u32);
        match self {
            Self::Number(number) => Some(from_float(*number)),
            Self::Text(text) => Level::from_word(text).or_else(|| text.parse().ok().map(Level::from_number)),
            Self::Other(_) => None,
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Other(_) => None,
        }
    }

    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_are_both_understood() {
        let pino = parse(r#"{"level":50,"time":1795258141000,"msg":"boom","elapsed_ms":12.5}"#).unwrap();
        assert_eq!((pino.level, pino.duration_ms), (Some(Level::Error), Some(12.5)));
        let journal = parse(r#"{"PRIORITY":"4","SYSLOG_IDENTIFIER":"ssh","MESSAGE":"hm"}"#).unwrap();
        assert_eq!((journal.level, journal.unit.as_deref()), (Some(Level::Warning), Some("ssh")));
    }

    #[test]
    fn the_first_of_several_names_counts_and_foreign_types_do_no_harm() {
        let line = parse(r#"{"msg":"a","message":"b","level":{"x":1},"time":[1],"unit":null}"#).unwrap();
        assert_eq!((&*line.message, line.level, line.time, line.unit), ("a", None, None, None));
    }

    #[test]
    fn without_a_message_the_whole_line_is_it() {
        assert_eq!(parse(r#"{"a":1}"#).unwrap().message, r#"{"a":1}"#);
    }
}
