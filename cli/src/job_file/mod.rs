//! Job files: YAML or JSON as people write it, made ready to be submitted.

pub mod inline;
mod legacy;
pub mod source;
mod syntax;

use std::path::Path;

use bacalhau_protocol::api::decode::{self, FieldError};
use serde_json::{Map, Value};

pub use syntax::SyntaxError;

/// A job as it will be submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFile {
    /// Without anything that only a server sets.
    pub job: Value,
    /// The file shows a stored job, as `job describe` prints it: submitting it means running that job again.
    pub is_described: bool,
    /// What a server would remark.
    pub warnings: Vec<String>,
}

impl JobFile {
    /// What the job is called, if its file says so.
    pub fn name(&self) -> Option<&str> {
        let fields = self.job.as_object()?;
        find(fields, "Name")
            .and_then(|name| fields.get(&name))
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
    }
}

/// Why a file is no job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in it.
    #[error("no content provided")]
    Empty,
    /// Neither YAML nor JSON.
    #[error("the job provided is invalid")]
    Syntax(#[from] SyntaxError),
    /// A list or a single word.
    #[error("the job provided is invalid: expected fields such as Type and Tasks at the top")]
    NoFields,
    /// Fields that are wrong or unknown.
    #[error("the job provided is invalid:{}", .0.iter().map(|error| format!("\n  {error}")).collect::<String>())]
    Invalid(Vec<FieldError>),
    /// A file the job wants to take along.
    #[error(transparent)]
    Inline(#[from] inline::Error),
    /// One of several jobs of a file.
    #[error("document {number} of the file")]
    Document {
        /// From 1.
        number: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
}

/// Fields only a server sets. They are in what `job describe` prints.
const SET_BY_SERVER: [&str; 5] = ["State", "Version", "Revision", "CreateTime", "ModifyTime"];

/// Reads all jobs of a file. Paths of files they take along are relative to `base`.
pub fn read_all(text: &str, base: &Path) -> Result<Vec<JobFile>, Error> {
    let documents = syntax::documents(text)?;
    let several = documents.len() > 1;
    let files = documents.into_iter().enumerate().map(|(index, document)| {
        read(document, base).map_err(|source| match several {
            true => Error::Document { number: index + 1, source: source.into() },
            false => source,
        })
    });
    let files: Vec<JobFile> = files.collect::<Result<_, _>>()?;
    if files.is_empty() { Err(Error::Empty) } else { Ok(files) }
}

fn read(document: Value, base: &Path) -> Result<JobFile, Error> {
    let mut job = unwrapped(document);
    let fields = job.as_object_mut().ok_or(Error::NoFields)?;
    if legacy::is_legacy(fields) {
        *fields = legacy::rewritten(std::mem::take(fields)).map_err(Error::Invalid)?;
    }
    let is_described = forget_what_the_server_set(fields);
    inline::embed(&mut job, base)?;
    let warnings = check(&job)?;
    Ok(JobFile { job, is_described, warnings })
}

/// Says everything that a server would refuse, and what it would only warn of: a field nobody knows is a slip. Other
/// remarks are given back.
pub fn check(job: &Value) -> Result<Vec<String>, Error> {
    let decoded = decode::decode(job, &decode::Defaults::default())
        .map_err(|invalid| Error::Invalid(invalid.errors))?;
    if decoded.unknown_fields.is_empty() {
        Ok(decoded.warnings)
    } else {
        Err(Error::Invalid(decoded.unknown_fields))
    }
}

/// Turns a stored job into one that can be submitted. Tells whether it was one.
pub fn forget_what_the_server_set(fields: &mut Map<String, Value>) -> bool {
    let is_described = SET_BY_SERVER.map(|name| remove(fields, name).is_some()).contains(&true);
    if is_described {
        forget_id(fields);
        forget_servers_notes(fields);
    }
    is_described
}

/// Run again, a job is another one with an id of its own, and so is one that is only called by its id.
fn forget_id(fields: &mut Map<String, Value>) {
    let id = remove(fields, "ID");
    if id.is_some() && find(fields, "Name").and_then(|name| fields.get(&name)) == id.as_ref() {
        remove(fields, "Name");
    }
}

/// A server adds notes of its own to each job it stores.
fn forget_servers_notes(fields: &mut Map<String, Value>) {
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

fn find(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

fn remove(fields: &mut Map<String, Value>, name: &str) -> Option<Value> {
    find(fields, name).and_then(|key| fields.remove(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: &str = "[{Name: main, Engine: {Type: wasm, Params: {EntryModule: {Source: {Type: urlDownload, Params: {URL: \"http://h/m\"}}}}}}]";

    fn read_one(text: &str) -> Result<JobFile, Error> {
        read_all(text, Path::new(".")).map(|mut files| files.remove(0))
    }

    fn job(fields: &str) -> JobFile {
        read_one(&format!("{{{fields}, Tasks: {TASKS}}}")).unwrap()
    }

    fn refusal(text: &str) -> String {
        read_one(text).unwrap_err().to_string()
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
        let wrapped = read_one(&format!("{{Job: {{Type: batch, Tasks: {TASKS}}}, History: {{}}}}"));
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
        for empty in [" \n", "# nothing\n", "---\n"] {
            assert!(matches!(read_one(empty), Err(Error::Empty)), "{empty}");
        }
        assert!(matches!(read_one("a: ["), Err(Error::Syntax(_))));
        assert!(matches!(read_one("- a"), Err(Error::NoFields)));
    }

    #[test]
    fn a_file_may_hold_several_jobs_and_the_wrong_one_is_named() {
        let good = format!("Type: batch\nName: a\nTasks: {TASKS}\n");
        let files = read_all(&format!("{good}---\n{}", good.replace("Name: a", "Name: b")), Path::new("."));
        let names: Vec<_> = files.unwrap().iter().map(|file| file.name().unwrap().to_owned()).collect();
        assert_eq!(names, ["a", "b"]);
        let error = read_all(&format!("{good}---\nType: batch\n"), Path::new(".")).unwrap_err();
        assert_eq!(error.to_string(), "document 2 of the file");
    }
}
