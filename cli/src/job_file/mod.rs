//! Job files: YAML or JSON as people write it, made ready to be submitted.

pub mod inline;

use std::path::Path;

use bacalhau_protocol::api::decode::{self, FieldError};
use serde_json::Value;

/// A job as it will be submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFile {
    /// Without anything that only a server sets.
    pub job: Value,
    /// The file shows a stored job, as `job describe` prints it: submitting it means running that job again.
    pub is_described: bool,
}

/// Why a file is no job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in it.
    #[error("no content provided")]
    Empty,
    /// Neither YAML nor JSON.
    #[error("the job provided is invalid: it is neither YAML nor JSON")]
    Syntax(#[source] serde_norway::Error),
    /// A list or a single word.
    #[error("the job provided is invalid: expected fields such as Type and Tasks at the top")]
    NoFields,
    /// Fields that are wrong or unknown.
    #[error("the job provided is invalid:{}", .0.iter().map(|error| format!("\n  {error}")).collect::<String>())]
    Invalid(Vec<FieldError>),
    /// A file the job wants to take along.
    #[error(transparent)]
    Inline(#[from] inline::Error),
}

/// Fields only a server sets. They are in what `job describe` prints.
const SET_BY_SERVER: [&str; 5] = ["State", "Version", "Revision", "CreateTime", "ModifyTime"];

/// Reads a job. Paths of files it takes along are relative to `base`.
pub fn read(text: &str, base: &Path) -> Result<JobFile, Error> {
    if text.trim().is_empty() {
        return Err(Error::Empty);
    }
    let document: Value = serde_norway::from_str(text).map_err(Error::Syntax)?;
    let mut job = unwrapped(document);
    let fields = job.as_object_mut().ok_or(Error::NoFields)?;
    let is_described = SET_BY_SERVER.map(|name| remove(fields, name).is_some()).contains(&true);
    if is_described {
        forget_id(fields);
        forget_servers_notes(fields);
    }
    inline::embed(&mut job, base)?;
    check(&job)?;
    Ok(JobFile { job, is_described })
}

/// Says everything that a server would refuse, and what it would only warn of: a field nobody knows is a slip.
pub fn check(job: &Value) -> Result<(), Error> {
    let errors = match decode::decode(job, &decode::Defaults::default()) {
        Ok(decoded) => decoded.unknown_fields,
        Err(invalid) => invalid.errors,
    };
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

/// Run again, a job is another one with an id of its own, and so is one that is only called by its id.
fn forget_id(fields: &mut serde_json::Map<String, Value>) {
    let id = remove(fields, "ID");
    if id.is_some() && find(fields, "Name").and_then(|name| fields.get(&name)) == id.as_ref() {
        remove(fields, "Name");
    }
}

/// A server adds notes of its own to each job it stores.
fn forget_servers_notes(fields: &mut serde_json::Map<String, Value>) {
    let notes = find(fields, "Meta").and_then(|name| fields.get_mut(&name)).and_then(Value::as_object_mut);
    if let Some(notes) = notes {
        notes.retain(|key, _| !key.starts_with(decode::RESERVED_META_PREFIX));
    }
}

/// `{Job: …}` is what the API answers and expects.
fn unwrapped(document: Value) -> Value {
    match document {
        Value::Object(mut fields) => {
            match find(&fields, "Job").filter(|_| find(&fields, "Tasks").is_none()) {
                Some(name) => fields.remove(&name).unwrap_or_default(),
                None => Value::Object(fields),
            }
        }
        other => other,
    }
}

fn find(fields: &serde_json::Map<String, Value>, name: &str) -> Option<String> {
    fields.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

fn remove(fields: &mut serde_json::Map<String, Value>, name: &str) -> Option<Value> {
    find(fields, name).and_then(|key| fields.remove(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: &str = "[{Name: main, Engine: {Type: wasm, Params: {EntryModule: {Source: {Type: urlDownload, Params: {URL: \"http://h/m\"}}}}}}]";

    fn job(fields: &str) -> JobFile {
        read(&format!("{{{fields}, Tasks: {TASKS}}}"), Path::new(".")).unwrap()
    }

    fn refusal(text: &str) -> String {
        read(text, Path::new(".")).unwrap_err().to_string()
    }

    #[test]
    fn yaml_and_json_are_read() {
        let yaml = job("Type: batch, Count: 2");
        assert_eq!((&yaml.job["Type"], &yaml.job["Count"]), (&"batch".into(), &2.into()));
        assert!(!yaml.is_described);
        assert_eq!(job(r#""type": "batch""#).job["type"], "batch");
    }

    #[test]
    fn a_described_job_can_be_run_again() {
        let described = job(
            "ID: j-1, Name: j-1, Type: batch, State: {StateType: Completed}, Version: 1, Meta: {bacalhau.org/x: y, mine: z}",
        );
        assert!(described.is_described);
        let mut fields: Vec<&str> = described.job.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["Meta", "Tasks", "Type"]);
        assert_eq!(described.job["Meta"], serde_json::json!({"mine": "z"}));
        assert_eq!(job("id: j-1, name: nightly, type: batch, version: 3").job["name"], "nightly");
        let wrapped =
            read(&format!("{{Job: {{Type: batch, Tasks: {TASKS}}}, History: {{}}}}"), Path::new("."));
        assert_eq!(wrapped.unwrap().job["Type"], "batch");
    }

    #[test]
    fn every_mistake_and_every_unknown_field_is_named() {
        let text = format!("{{Type: bath, Priority: high, Tasks: {TASKS}}}");
        let refused = refusal(&text);
        assert!(refused.contains("\n  Type: ") && refused.contains("\n  Priority: "), "{refused}");
        let refused = refusal(&format!("{{Type: batch, Constrants: [], Tasks: {TASKS}}}"));
        assert!(refused.contains("Constrants") && refused.contains("Constraints"), "{refused}");
    }

    #[test]
    fn what_is_no_job_is_refused() {
        assert!(matches!(read(" \n", Path::new(".")), Err(Error::Empty)));
        assert!(matches!(read("a: [", Path::new(".")), Err(Error::Syntax(_))));
        assert!(matches!(read("- a", Path::new(".")), Err(Error::NoFields)));
    }
}
