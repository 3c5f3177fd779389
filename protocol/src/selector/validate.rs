//! Whether a constraint makes sense, before anything is matched against it.

use super::{Constraint, Operator, label, number};

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

fn key_problem(key: &str) -> Option<String> {
    if key.trim().is_empty() {
        return Some("selector key cannot be blank".to_owned());
    }
    label::key_problem(key)
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
