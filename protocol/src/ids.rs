//! One type per noun, so that a job id never lands where a node id belongs.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Longest id accepted from outside, bytes. Keys of the store hold two ids and a prefix (limit 480).
pub const MAX_ID_BYTES: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Blank text names nothing.
    #[error("an id may not be blank")]
    Blank,
    /// Longer than [`MAX_ID_BYTES`].
    #[error("an id may have at most {MAX_ID_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A character that breaks keys, paths or message subjects.
    #[error("an id may not contain {0:?}")]
    Character(char),
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What generated ids of this kind begin with.
            pub const PREFIX: &'static str = $prefix;

            /// Takes an id as a person or a peer wrote it.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// Makes an id from 16 random bytes drawn by the caller.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(format!("{}{}", $prefix, Builder::from_random_bytes(bytes).into_uuid()).into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it has the form of those that are generated: prefix and UUID.
            pub fn is_generated(&self) -> bool {
                self.short() != self.as_str()
            }

            /// The form shown to people: prefix and eight digits for generated ids, everything for chosen names.
            pub fn short(&self) -> &str {
                shorten(&self.0, $prefix)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A job over all its versions.
    JobId, "j-");
id!(
    /// One attempt to run a job on one node.
    ExecutionId, "e-");
id!(
    /// A machine running the agent.
    NodeId, "n-");
id!(
    /// One look at a job by the scheduler. Clients see a bare UUID.
    EvaluationId, "");

impl ExecutionId {
    /// Derives the id from what it names, so a plan applied twice gives the same executions.
    pub fn derive(job: &JobId, version: u64, node: &NodeId, partition: u32, attempt: u32) -> Self {
        let mut hash = Sha256::new();
        for part in [job.as_str().as_bytes(), node.as_str().as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(version.to_be_bytes());
        hash.update(partition.to_be_bytes());
        hash.update(attempt.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self::from_random(bytes)
    }
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.trim().is_empty() {
        return Err(InvalidId::Blank);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(InvalidId::TooLong(text.len()));
    }
    // `.`-free is a rule of message subjects in other implementations; here only what breaks keys and paths is refused.
    match text.chars().find(|c| c.is_control() || c.is_whitespace() || matches!(c, '/' | '\\' | '*' | '>')) {
        Some(bad) => Err(InvalidId::Character(bad)),
        None if text == "." || text == ".." => Err(InvalidId::Character('.')),
        None => Ok(()),
    }
}

fn shorten<'a>(text: &'a str, prefix: &str) -> &'a str {
    let Some(rest) = text.strip_prefix(prefix) else { return text };
    match Uuid::parse_str(rest) {
        Ok(_) if rest.len() == 36 => &text[..prefix.len() + 8],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_shortened_and_names_are_not() {
        let id = JobId::from_random([7; 16]);
        assert_eq!(id.short().len(), 10);
        assert_eq!(NodeId::parse("gateway-7").unwrap().short(), "gateway-7");
    }

    #[test]
    fn hostile_ids_are_refused() {
        for text in ["", "  ", "a b", "a/b", "..", "x\0", "*"] {
            assert!(NodeId::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(NodeId::parse(&"x".repeat(129)), Err(InvalidId::TooLong(129)));
    }

    #[test]
    fn execution_ids_depend_on_every_part() {
        let (job, node) = (JobId::parse("j").unwrap(), NodeId::parse("n").unwrap());
        let base = ExecutionId::derive(&job, 1, &node, 0, 0);
        assert_eq!(base, ExecutionId::derive(&job, 1, &node, 0, 0));
        assert_ne!(base, ExecutionId::derive(&job, 2, &node, 0, 0));
        assert_ne!(base, ExecutionId::derive(&job, 1, &node, 1, 0));
        assert_ne!(base, ExecutionId::derive(&job, 1, &node, 0, 1));
    }
}
