//! All words of each enumeration in one file, so that none changes its place.

use std::fmt::Debug;

use bacalhau_protocol::model::{
    DesiredState, JobState, JobType, Membership, NetworkType, ObservedState, Operator,
};
use bacalhau_protocol::wire::RefusalCode;
use bacalhau_protocol::wire::stream::ReplyCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Golden;

macro_rules! words {
    ($name:literal, $type:ident { $($word:ident),* $(,)? }) => {{
        // No wildcard: a new word does not compile until it is listed here.
        fn _complete(word: &$type) {
            match word { $($type::$word => {})* }
        }
        golden($name, vec![$($type::$word),*])
    }};
}

pub(crate) fn samples() -> Vec<Golden> {
    vec![
        words!("words-job-type", JobType { Batch, Ops, Service, Daemon }),
        words!("words-job-state", JobState { Pending, Queued, Running, Completed, Failed, Stopped }),
        words!("words-desired-state", DesiredState { Pending, Running, Stopped }),
        words!(
            "words-observed-state",
            ObservedState {
                Unheard,
                Agreed,
                Accepted,
                Running,
                Publishing,
                Completed,
                Failed,
                Refused,
                Stopped
            }
        ),
        words!(
            "words-operator",
            Operator { In, NotIn, Exists, Absent, Equals, DoubleEquals, NotEquals, GreaterThan, LessThan }
        ),
        words!("words-network-type", NetworkType { Default, None, Host, Full, Http, Bridge }),
        words!("words-membership", Membership { Pending, Approved, Rejected }),
        words!(
            "words-refusal-code",
            RefusalCode { WrongSecret, KeyMismatch, Rejected, Version, Malformed, Busy }
        ),
        words!("words-reply-code", ReplyCode { NotFound, Invalid, Forbidden, Full, Failed }),
    ]
}

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(
    name: &str,
    words: Vec<T>,
) -> Golden {
    Golden::new(
        name,
        words,
        |words| postcard::to_stdvec(words).expect("words are plain"),
        |bytes| postcard::from_bytes::<Vec<T>>(bytes),
    )
}
