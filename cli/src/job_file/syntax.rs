//! The documents of a file as JSON values, whether they are written in YAML or in JSON.

use std::fmt;

use serde::Deserialize as _;
use serde_json::Value;

/// Text that is neither YAML nor JSON, and what to do about it.
#[derive(Debug)]
pub struct SyntaxError {
    message: String,
    advice: Option<String>,
}

impl std::error::Error for SyntaxError {}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, " ({advice})"))
    }
}

/// Most jobs that one file may hold.
const MAX_DOCUMENTS: usize = 1000;

/// Most brackets that may be open at a time, those in texts included: the reader of YAML takes a time that grows with their
/// square.
const MAX_OPEN: usize = 10_000;

/// All documents that say something.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, SyntaxError> {
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    let json = if looks_like_json { json(text) } else { Err(None) };
    let complaint = match json {
        Ok(documents) => return Ok(documents),
        Err(complaint) => complaint,
    };
    if is_too_deep(text) {
        let message = format!("more than {MAX_OPEN} brackets are open at a time");
        return Err(SyntaxError { message, advice: None });
    }
    match yaml(text) {
        Ok(documents) => Ok(documents),
        // Flow YAML begins like JSON; what begins with a quoted key was meant as JSON.
        Err(error) => match complaint.filter(|_| meant_as_json(text)) {
            Some(complaint) => {
                Err(SyntaxError { message: format!("it is no JSON: {complaint}"), advice: None })
            }
            None => Err(SyntaxError { message: format!("it is no YAML: {error}"), advice: advice(text) }),
        },
    }
}

fn is_too_deep(text: &str) -> bool {
    let open = text.bytes().scan(0_usize, |open, byte| {
        match byte {
            b'[' | b'{' => *open += 1,
            b']' | b'}' => *open = open.saturating_sub(1),
            _ => {}
        }
        Some(*open)
    });
    open.max().is_some_and(|most| most > MAX_OPEN)
}

fn meant_as_json(text: &str) -> bool {
    text.trim_start().trim_start_matches(['{', '[']).trim_start().starts_with('"')
}

fn json(text: &str) -> Result<Vec<Value>, Option<serde_json::Error>> {
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().map_err(Some)
}

/// Goes through YAML's own values, which refuse a key given twice and know merge keys.
fn yaml(text: &str) -> Result<Vec<Value>, serde_norway::Error> {
    let mut documents = Vec::new();
    for document in serde_norway::Deserializer::from_str(text).take(MAX_DOCUMENTS) {
        let mut document = serde_norway::Value::deserialize(document)?;
        document.apply_merge()?;
        if !document.is_null() {
            documents.push(serde_norway::from_value(document)?);
        }
    }
    Ok(documents)
}

/// The parser's words do not say that a tab is to blame.
fn advice(text: &str) -> Option<String> {
    let is_indented_by_tab = |line: &str| {
        line.len() > line.trim_start().len() && line[..line.len() - line.trim_start().len()].contains('\t')
    };
    let line = text.lines().position(is_indented_by_tab)?;
    Some(format!("line {} is indented with a tab; YAML wants spaces", line + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(text: &str) -> String {
        documents(text).unwrap_err().to_string()
    }

    #[test]
    fn documents_follow_each_other() {
        assert_eq!(documents("a: 1\n---\nb: [x]\n---\n").unwrap(), [json!({"a": 1}), json!({"b": ["x"]})]);
        assert_eq!(documents("{\"a\": 1}\n{\"a\": 2}").unwrap(), [json!({"a": 1}), json!({"a": 2})]);
        assert_eq!(documents("{a: 1}").unwrap(), [json!({"a": 1})]);
        assert_eq!(documents("").unwrap(), Vec::<Value>::new());
    }

    #[test]
    fn anchors_are_merged() {
        let text = "base: &b {cpu: 1, gpu: 0}\nmine:\n  <<: *b\n  gpu: 2\n";
        assert_eq!(documents(text).unwrap()[0]["mine"], json!({"cpu": 1, "gpu": 2}));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert!(
            problem("Tasks:\n\t- Name: a").ends_with("(line 2 is indented with a tab; YAML wants spaces)")
        );
        assert!(
            problem("{\"Type\": \"batch\",\n \"Count\" 1}")
                .starts_with("it is no JSON: expected `:` at line 2")
        );
        assert!(problem("a: 1\na: 2").contains("duplicate"), "{}", problem("a: 1\na: 2"));
        assert!(problem("a: [").starts_with("it is no YAML: "));
    }

    #[test]
    fn a_bomb_is_refused() {
        assert_eq!(problem(&"[".repeat(1_000_000)), "more than 10000 brackets are open at a time");
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{},", level - 1).repeat(9);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(',')));
        }
        assert!(problem(&text).contains("repetition limit"), "{}", problem(&text));
    }
}
