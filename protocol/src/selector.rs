//! Rules over labels: how jobs choose nodes, and how lists are filtered (semantics.md 2.4).

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{Constraint, Operator};

pub mod label;
mod parse;
mod validate;

pub use parse::{MAX_SELECTOR_BYTES, SelectorError, parse};
pub use validate::{ConstraintProblem, Part, validate};

/// A key with this in front is a preference: it affects ranking, not selection.
pub const PREFERENCE_PREFIX: &str = "favour_";

impl Operator {
    const ALL: [Self; 9] = [
        Self::In,
        Self::NotIn,
        Self::Exists,
        Self::Absent,
        Self::Equals,
        Self::DoubleEquals,
        Self::NotEquals,
        Self::GreaterThan,
        Self::LessThan,
    ];

    /// How job files and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::NotIn => "notin",
            Self::Exists => "exists",
            Self::Absent => "!",
            Self::Equals => "=",
            Self::DoubleEquals => "==",
            Self::NotEquals => "!=",
            Self::GreaterThan => "gt",
            Self::LessThan => "lt",
        }
    }

    /// Reads what job files and the API write, words in any case; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.as_str().eq_ignore_ascii_case(text))
    }
}

impl Constraint {
    /// The label it speaks of.
    pub fn label(&self) -> &str {
        self.key.strip_prefix(PREFERENCE_PREFIX).unwrap_or(&self.key)
    }

    /// Whether it holds for these labels, preference or not.
    pub fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(self.label());
        let first = self.values.first();
        let one_of = || label.is_some_and(|label| self.values.contains(label));
        match self.operator {
            Operator::In => one_of(),
            Operator::NotIn => !one_of(),
            Operator::Exists => label.is_some(),
            Operator::Absent => label.is_none(),
            Operator::Equals | Operator::DoubleEquals => label.is_some() && label == first,
            Operator::NotEquals => label.is_none() || label != first,
            Operator::GreaterThan => numbers(label, first).is_some_and(|(label, bound)| label > bound),
            Operator::LessThan => numbers(label, first).is_some_and(|(label, bound)| label < bound),
        }
    }
}

/// In the form [`parse`] reads.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::Absent => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
            other => write!(f, "{key}{}{values}", other.as_str()),
        }
    }
}

/// Whether all constraints that exclude hold; preferences do not exclude.
pub fn matches(constraints: &[Constraint], labels: &BTreeMap<String, String>) -> bool {
    constraints.iter().all(|constraint| is_preference(constraint) || constraint.holds(labels))
}

/// Whether there are preferences and all hold.
pub fn prefers(constraints: &[Constraint], labels: &BTreeMap<String, String>) -> bool {
    let mut preferences = constraints.iter().filter(|constraint| is_preference(constraint)).peekable();
    preferences.peek().is_some() && preferences.all(|constraint| constraint.holds(labels))
}

/// Whether a constraint only affects ranking.
pub fn is_preference(constraint: &Constraint) -> bool {
    constraint.key.starts_with(PREFERENCE_PREFIX)
}

/// The constraints that exclude, as Bacalhau lists them between the brackets of its reasons.
pub fn describe(constraints: &[Constraint]) -> String {
    let required = constraints.iter().filter(|constraint| !is_preference(constraint));
    required.map(Constraint::to_string).collect::<Vec<_>>().join(" ")
}

/// Why a node with these labels was not chosen, in Bacalhau's words.
pub fn mismatch_reason(constraints: &[Constraint], labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!("labels map[{}] don't match required selectors [{}]", labels.join(" "), describe(constraints))
}

/// Both sides as numbers; decimals are welcome.
fn numbers(label: Option<&String>, bound: Option<&String>) -> Option<(f64, f64)> {
    Some((number(label?)?, number(bound?)?))
}

/// A plain decimal number: no exponent, infinity or NaN, which labels mean as words.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain =
        digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.bytes().any(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
