//! Whether a constraint makes sense, before anything is matched against it.

use super::{Constraint, Operator, number};

/// What is wrong with a constraint, in Bacalhau's words, and which field to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstraintProblem {
    /// The field at fault.
    pub part: Part,
    /// What is wrong and what was expected.
    pub message: String,
}

/// A field of a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `Key`.
    Key,
    /// `Values`.
    Values,
}

/// Finds what is wrong with a constraint, if anything.
pub fn validate(constraint: &Constraint) -> Option<ConstraintProblem> {
    key_problem(constraint.label()).map(|message| ConstraintProblem { part: Part::Key, message }).or_else(
        || values_problem(constraint).map(|message| ConstraintProblem { part: Part::Values, message }),
    )
}

/// Kubernetes' rule for label keys: an optional DNS prefix and `/`, then up to 63 of `[A-Za-z0-9._-]`, alphanumeric at
/// both ends.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_dns_prefix) && is_label_name(name)
}

fn is_label_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let ends = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&b| allowed(b))
        && ends(bytes.first())
        && ends(bytes.last())
}

fn is_dns_prefix(prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    (1..=253).contains(&prefix.len()) && prefix.bytes().all(allowed)
}

fn key_problem(label: &str) -> Option<String> {
    if label.trim().is_empty() {
        return Some("selector key cannot be blank".to_owned());
    }
    (!is_label_key(label)).then(|| {
        format!(
            "invalid label key {label:?}: expected up to 63 letters, digits, '-', '_' or '.', beginning and ending \
             with a letter or digit, with an optional DNS prefix and '/' in front"
        )
    })
}

fn values_problem(constraint: &Constraint) -> Option<String> {
    let values = &constraint.values;
    match constraint.operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            return Some("selector values cannot be empty for In or NotIn operators".to_owned());
        }
        Operator::Exists | Operator::Absent if !values.is_empty() => {
            return Some("selector values must be empty for Exists or KeyNotInImap operators".to_owned());
        }
        Operator::In | Operator::NotIn | Operator::Exists | Operator::Absent => {}
        _ if values.len() != 1 => {
            return Some("selector values must have exactly one value for other operators".to_owned());
        }
        _ => {}
    }
    if matches!(constraint.operator, Operator::GreaterThan | Operator::LessThan) {
        let bound = values.first().filter(|value| number(value).is_none())?;
        return Some(format!("{bound:?} is not a number; gt and lt compare numbers such as 5 or 2.5"));
    }
    // Labels of nodes are free text, so unlike Kubernetes any value may be asked for.
    None
}
