//! One flag value as one CSV record: commas separate fields, double quotes protect them.

/// The fields of a record, blanks around them removed. There is always at least one.
pub fn record(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, tail) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => {
                quoted_field(quoted).ok_or_else(|| format!("a double quote is not closed in {text:?}"))?
            }
            None => plain_field(rest),
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(more) => rest = more,
            None if tail.is_empty() => return Ok(fields),
            None => return Err(format!("expected a comma after a closing double quote in {text:?}")),
        }
    }
}

fn plain_field(text: &str) -> (String, &str) {
    let end = text.find(',').unwrap_or(text.len());
    (text[..end].trim().to_owned(), &text[end..])
}

/// What stands before the closing quote, and what follows it. Two quotes in a row are one quote.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, rest.trim_start())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_commas_outside_of_quotes() {
        assert_eq!(record("a, b,,c").unwrap(), ["a", "b", "", "c"]);
        assert_eq!(record(r#""a,b",c"#).unwrap(), ["a,b", "c"]);
        assert_eq!(record(r#""say ""hi""""#).unwrap(), ["say \"hi\""]);
        assert_eq!(record("").unwrap(), [""]);
        assert!(record(r#""a"#).is_err());
        assert!(record(r#""a"b"#).is_err());
    }
}
