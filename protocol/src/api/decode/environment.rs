//! Environment variables of a task (semantics.md 4.9).

use std::collections::BTreeMap;

use crate::spec::{Fields, Report};

/// Variables with this in front are the system's.
const RESERVED: &str = "BACALHAU_";

pub(super) fn read(fields: &mut Fields<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let env = fields.text_map("Env", report);
    let path = fields.at("Env");
    for (name, value) in &env {
        if let Some(problem) = problem(name, value) {
            report.error(&path, problem);
        }
    }
    env
}

/// For variables that need not follow the rules for names.
pub(super) fn check_reserved(path: &str, name: &str, report: &mut Report) {
    if name.is_empty() || name.contains(['=', '\0']) {
        report.error(path, format!("{name:?} is no name of an environment variable"));
    } else if name.to_uppercase().starts_with(RESERVED) {
        report.error(path, format!("environment variable '{name}' cannot start with {RESERVED}"));
    }
}

fn problem(name: &str, value: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let complaint = if name.is_empty() {
        return Some("environment variable name cannot be empty".to_owned());
    } else if name.to_uppercase() != name {
        "must be uppercase"
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "must start with a letter"
    } else if !name.chars().all(allowed) {
        "can only contain letters, numbers, and underscores"
    } else if name.starts_with(RESERVED) {
        "cannot start with BACALHAU_"
    } else if value.is_empty() {
        "value cannot be empty"
    } else if value.contains('\0') {
        "value cannot contain null characters"
    } else {
        return None;
    };
    Some(format!("environment variable '{name}' {complaint}"))
}
