//! The job itself; its task is read by [`super::task`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::{DEFAULT_NAMESPACE, Decoded, Defaults, MAX_SPEC_BYTES, RESERVED_META_PREFIX, task};
use crate::ids::JobId;
use crate::model::{Constraint, JobSpec, JobType, Operator, Task};
use crate::selector::{self, Part, label};
use crate::spec::{Fields, Report, inline};
use crate::wire::record;

/// Longest name of a job or namespace, bytes.
const MAX_NAME_BYTES: usize = 256;
/// Most partitions of a job.
const MAX_COUNT: i64 = 100_000;

/// Reads a whole job. The result only counts if nothing was reported as an error.
pub(super) fn read(fields: &mut Fields<'_>, defaults: &Defaults, report: &mut Report) -> Decoded {
    let written_type = job_type(fields, report);
    let job_type = written_type.unwrap_or(JobType::Batch);
    let type_defaults = defaults.of(job_type);
    let priority = priority(fields, report);
    let mut spec = JobSpec {
        job_type,
        priority: if priority == 0 { type_defaults.priority } else { priority },
        count: count(fields, job_type, report),
        constraints: constraints(fields, report),
        labels: fields.text_map("Labels", report),
        task: read_task(fields, job_type, defaults, report),
        meta: BTreeMap::new(),
    };
    check_labels(fields, &spec.labels, report);
    let name = name(fields, report);
    let namespace = namespace(fields, report);
    ignore_what_the_server_sets(fields, report);
    let custom_id = custom_id(fields, job_type, report);
    spec.meta = meta(fields, report);
    fields.report_unknown(report);
    let blobs = take_blobs(&mut spec.task);
    check_size(&spec, report);
    Decoded { name, namespace, custom_id, spec, blobs, warnings: Vec::new(), unknown_fields: Vec::new() }
}

fn job_type(fields: &mut Fields<'_>, report: &mut Report) -> Option<JobType> {
    let problem = match fields.value("Type").unwrap_or(&Value::Null) {
        Value::Null => "missing job type".to_owned(),
        Value::String(word) if word.is_empty() => "missing job type".to_owned(),
        Value::String(word) => match JobType::parse(word) {
            Some(job_type) => return Some(job_type),
            None => format!("invalid job type: {word:?}"),
        },
        other => format!("invalid job type: {other}"),
    };
    report.error(fields.at("Type"), format!("{problem} (expected batch, ops, service or daemon)"));
    None
}

fn priority(fields: &mut Fields<'_>, report: &mut Report) -> i32 {
    let written = fields.integer("Priority", report).unwrap_or(0);
    i32::try_from(written).unwrap_or_else(|_| {
        report
            .error(fields.at("Priority"), format!("expected a number between {} and {}", i32::MIN, i32::MAX));
        0
    })
}

/// Absent is 1; an explicit 0 stays 0 and means "run nothing".
fn count(fields: &mut Fields<'_>, job_type: JobType, report: &mut Report) -> u32 {
    let written = fields.integer("Count", report).unwrap_or(1);
    let path = fields.at("Count");
    if written < 0 {
        report.error(path, format!("job count must be >= 0 (found {written})"));
    } else if job_type.is_everywhere() {
        if written > 1 {
            let kind = job_type.as_str();
            report.error(
                path,
                format!("{kind} jobs cannot specify count > 1 as they run on all matching nodes"),
            );
        }
        return 0;
    } else if written > MAX_COUNT {
        report.error(path, format!("job count must be <= {MAX_COUNT} (found {written})"));
    }
    u32::try_from(written).unwrap_or(0)
}

fn constraints(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Constraint> {
    let items = fields.items("Constraints", report);
    items.into_iter().filter_map(|(path, value)| constraint(path, value, report)).collect()
}

fn constraint(path: String, value: &Value, report: &mut Report) -> Option<Constraint> {
    if value.is_null() {
        report.error(&path, "expected an object with Key, Operator and Values, found null");
    }
    let mut fields = Fields::new(path, value, report)?;
    let (key, word) = (fields.text("Key", report), fields.text("Operator", report));
    let values = fields.texts("Values", report);
    fields.report_unknown(report);
    let Some(operator) = Operator::parse(word.trim()) else {
        let message =
            format!("invalid operator {word:?} (expected in, notin, exists, !, =, ==, !=, gt or lt)");
        report.error(fields.at("Operator"), message);
        return None;
    };
    let constraint = Constraint { key, operator, values };
    if let Some(problem) = selector::validate(&constraint) {
        let key = match problem.part {
            Part::Key => "Key",
            Part::Values => "Values",
        };
        report.error(fields.at(key), problem.message);
    }
    Some(constraint)
}

/// Only the first task counts.
fn read_task(fields: &mut Fields<'_>, job_type: JobType, defaults: &Defaults, report: &mut Report) -> Task {
    let tasks = fields.items("Tasks", report);
    if tasks.len() > 1 {
        report.warn("only one task is supported per job");
    }
    let Some((path, value)) = tasks.into_iter().next() else {
        report.error(fields.at("Tasks"), "missing job tasks (expected a list with one task)");
        return task::empty();
    };
    if value.is_null() {
        report.error(&path, "expected a task, found null");
    }
    match Fields::new(path, value, report) {
        Some(mut fields) => task::read(&mut fields, job_type, defaults.of(job_type), report),
        None => task::empty(),
    }
}

fn check_labels(fields: &Fields<'_>, labels: &BTreeMap<String, String>, report: &mut Report) {
    for (key, value) in labels {
        for problem in [label::key_problem(key), label::value_problem(key, value)].into_iter().flatten() {
            report.error(fields.at("Labels"), problem);
        }
    }
}

fn name(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let name = fields.text("Name", report);
    check_name(fields.at("Name"), &name, report);
    (!name.trim().is_empty()).then_some(name)
}

fn namespace(fields: &mut Fields<'_>, report: &mut Report) -> String {
    let namespace = fields.text("Namespace", report);
    check_name(fields.at("Namespace"), &namespace, report);
    if namespace == "*" {
        report.error(fields.at("Namespace"), "\"*\" means all namespaces; a job is in one");
    }
    if namespace.trim().is_empty() { DEFAULT_NAMESPACE.to_owned() } else { namespace }
}

fn check_name(path: String, name: &str, report: &mut Report) {
    if name.len() > MAX_NAME_BYTES {
        report.error(path, format!("expected at most {MAX_NAME_BYTES} bytes, found {}", name.len()));
    } else if let Some(bad) = name.chars().find(|c| c.is_control()) {
        report.error(path, format!("expected printable text, found the character {bad:?}"));
    }
}

/// Clears with a warning what only the server sets (api.md 4.2).
fn ignore_what_the_server_sets(fields: &mut Fields<'_>, report: &mut Report) {
    let is_set = |value: &Value| value.as_i64() != Some(0);
    let state = fields.value("State").and_then(Value::as_object);
    let state = state.and_then(|state| state.iter().find(|(key, _)| key.eq_ignore_ascii_case("StateType")));
    let undefined = |value: &Value| {
        value.is_null() || value.as_str().is_some_and(|w| w.is_empty() || w.eq_ignore_ascii_case("Undefined"))
    };
    if state.is_some_and(|(_, value)| is_set(value) && !undefined(value)) {
        report.warn("job state is ignored when submitting a job");
    }
    let others = [
        ("Revision", "revision"),
        ("Version", "version"),
        ("CreateTime", "create time"),
        ("ModifyTime", "modify time"),
    ];
    for (key, words) in others {
        if fields.value(key).is_some_and(is_set) {
            report.warn(format!("job {words} is ignored when submitting a job"));
        }
    }
}

fn custom_id(fields: &mut Fields<'_>, job_type: JobType, report: &mut Report) -> Option<JobId> {
    let written = fields.text("ID", report);
    if written.is_empty() {
        return None;
    }
    if !job_type.is_long_running() {
        report.warn("job ID is ignored when submitting a batch job");
        return None;
    }
    let id = JobId::parse(&written);
    if let Err(error) = &id {
        report.error(fields.at("ID"), error.to_string());
    }
    id.ok()
}

fn meta(fields: &mut Fields<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let mut meta = fields.text_map("Meta", report);
    meta.retain(|key, _| {
        let reserved = key.starts_with(RESERVED_META_PREFIX);
        if reserved {
            report.warn(format!("job meta key {key:?} is reserved and will be ignored"));
        }
        !reserved
    });
    meta
}

fn take_blobs(task: &mut Task) -> BTreeMap<[u8; 32], Vec<u8>> {
    let sources = task.inputs.iter_mut().map(|input| &mut input.source);
    sources.filter_map(inline::take_large_data).map(|(reference, bytes)| (reference.hash, bytes)).collect()
}

fn check_size(spec: &JobSpec, report: &mut Report) {
    let size = record::encode(record::Kind::JobSpec, spec).len();
    if size > MAX_SPEC_BYTES {
        let message = format!(
            "the job has {size} bytes, the limit is {MAX_SPEC_BYTES}; move large values into an inline input source"
        );
        report.error("", message);
    }
}
