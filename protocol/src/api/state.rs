//! Where jobs and executions stand. Job states travel as words, execution states as numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tolerant::nullable;
use crate::model;

/// A state, why, and machine-readable reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct State<T: Default> {
    /// Which state.
    pub state_type: T,
    /// Why; may be empty.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub message: String,
    /// Keys of semantics.md 0.4.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub details: BTreeMap<String, String>,
}

/// A job's state; `None` stands for `Undefined`, which a stored job never is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobStateWord(pub Option<model::JobState>);

impl JobStateWord {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        self.0.map_or("Undefined", model::JobState::as_str)
    }

    /// Nothing more happens by itself.
    pub fn is_terminal(self) -> bool {
        self.0.is_some_and(model::JobState::is_terminal)
    }

    /// Reads a word without regard to case; unknown words are `Undefined`.
    pub fn parse(word: &str) -> Self {
        use model::JobState::{Completed, Failed, Pending, Queued, Running, Stopped};
        let known = [Pending, Queued, Running, Completed, Failed, Stopped];
        Self(known.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(word)))
    }
}

impl fmt::Display for JobStateWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for JobStateWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for JobStateWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map_or_else(Self::default, |word| Self::parse(&word)))
    }
}

/// Where an execution stands on its node, as the API's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComputeStateNumber(pub u8);

impl ComputeStateNumber {
    /// Ended, one way or another.
    pub fn is_terminal(self) -> bool {
        matches!(self.0, 4 | 8..=11)
    }

    /// The node has not said a word about it.
    pub fn has_not_begun(self) -> bool {
        self.0 <= 1
    }

    /// Its task is at work, or its results are on their way.
    pub fn is_running(self) -> bool {
        matches!(self.0, 6 | 7)
    }

    /// Never produced anything.
    pub fn is_discarded(self) -> bool {
        matches!(self.0, 4 | 8 | 10 | 11)
    }
}

impl From<model::ComputeState> for ComputeStateNumber {
    fn from(state: model::ComputeState) -> Self {
        Self(state.number())
    }
}

impl fmt::Display for ComputeStateNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(model::ComputeState::word(u64::from(self.0)).unwrap_or("Unknown"))
    }
}

/// What the control plane wants of an execution, as the API's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DesiredStateNumber(pub u8);

impl From<model::DesiredState> for DesiredStateNumber {
    fn from(state: model::DesiredState) -> Self {
        Self(state.number())
    }
}

impl fmt::Display for DesiredStateNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(desired_word(self.0).unwrap_or("Unknown"))
    }
}

fn desired_word(number: u8) -> Option<&'static str> {
    ["Pending", "Running", "Stopped"].get(usize::from(number)).copied()
}

macro_rules! number_that_may_be_a_word {
    ($name:ident, $count:literal, $word:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(match Option::<NumberOrWord>::deserialize(deserializer)? {
                    None => Self::default(),
                    Some(NumberOrWord::Number(number)) => Self(number),
                    Some(NumberOrWord::Word(word)) => {
                        let is_it =
                            |number: &u8| $word(*number).is_some_and(|w: &str| w.eq_ignore_ascii_case(&word));
                        Self((0..$count).find(is_it).unwrap_or_default())
                    }
                })
            }
        }
    };
}

number_that_may_be_a_word!(ComputeStateNumber, 12, |n: u8| model::ComputeState::word(u64::from(n)));
number_that_may_be_a_word!(DesiredStateNumber, 3, desired_word);

/// Servers write numbers; people and old tools write words.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(u8),
    Word(String),
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{ComputeStateNumber, DesiredStateNumber, JobStateWord};

    impl JsonSchema for JobStateWord {
        fn schema_name() -> Cow<'static, str> {
            "JobState".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "string",
                "enum": ["Undefined", "Pending", "Queued", "Running", "Completed", "Failed", "Stopped"]
            })
        }
    }

    impl JsonSchema for ComputeStateNumber {
        fn schema_name() -> Cow<'static, str> {
            "ComputeState".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "integer",
                "minimum": 0,
                "maximum": 11,
                "description": "0 Undefined, 1 New, 2 AskForBid, 3 AskForBidAccepted, 4 AskForBidRejected, \
                    5 BidAccepted, 6 Running, 7 Publishing, 8 BidRejected, 9 Completed, 10 Failed, 11 Cancelled"
            })
        }
    }

    impl JsonSchema for DesiredStateNumber {
        fn schema_name() -> Cow<'static, str> {
            "DesiredState".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "integer",
                "minimum": 0,
                "maximum": 2,
                "description": "0 Pending, 1 Running, 2 Stopped"
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_states_are_words_and_execution_states_numbers() {
        let job = State { state_type: JobStateWord(Some(model::JobState::Queued)), ..State::default() };
        assert_eq!(serde_json::to_string(&job).unwrap(), r#"{"StateType":"Queued"}"#);
        let execution = State { state_type: ComputeStateNumber(9), message: "ok".into(), ..State::default() };
        assert_eq!(serde_json::to_string(&execution).unwrap(), r#"{"StateType":9,"Message":"ok"}"#);
        assert_eq!(execution.state_type.to_string(), "Completed");
    }

    #[test]
    fn words_are_read_in_any_case_and_unknown_ones_are_undefined() {
        let read = |text| serde_json::from_str::<State<JobStateWord>>(text).unwrap().state_type.as_str();
        assert_eq!(read(r#"{"StateType":"running"}"#), "Running");
        assert_eq!(read(r#"{"StateType":"Dreaming"}"#), "Undefined");
        assert_eq!(read(r#"{"StateType":null}"#), "Undefined");
        let number = |text| serde_json::from_str::<ComputeStateNumber>(text).unwrap().0;
        assert_eq!((number("6"), number(r#""failed""#)), (6, 10));
    }
}
