//! Whether every `if`, `range`, `with`, `define` and `block` is closed, and nothing else is.
//!
//! The engine takes a template that ends inside a block, and `end` or `else` outside of one; Go refuses them, and a file
//! that was cut off must not be submitted.

/// A word at the wrong place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Byte offset of its action.
    pub(super) offset: usize,
    /// What is wrong.
    pub(super) message: String,
}

/// Finds the first mistake. The text is a template otherwise.
pub(super) fn check(text: &str) -> Result<(), Mistake> {
    let mut open: Vec<(&str, usize)> = Vec::new();
    for (offset, action) in actions(text) {
        let word = action.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        let wrong = || Err(Mistake { offset, message: format!("unexpected {{{{{word}}}}}") });
        match word {
            "define" if !open.is_empty() => return wrong(),
            "if" | "range" | "with" | "define" | "block" => open.push((word, offset)),
            "else" if !matches!(open.last(), Some(("if" | "range" | "with", _))) => return wrong(),
            "end" if open.pop().is_none() => return wrong(),
            _ => {}
        }
    }
    match open.last() {
        Some((word, offset)) => Err(Mistake {
            offset: *offset,
            message: format!("unexpected EOF: {{{{{word}}}}} has no {{{{end}}}}"),
        }),
        None => Ok(()),
    }
}

/// The actions of a template, without delimiters and trim markers, with the offsets of their delimiters.
fn actions(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let start = position + text[position..].find("{{")?;
        let inside = &text[start + 2..];
        let length = action_length(inside);
        position = (start + 2 + length + 2).min(text.len());
        Some((start, inside[..length].trim_start_matches('-').trim_start()))
    })
}

/// Bytes up to the closing braces; those in texts and comments close nothing.
fn action_length(inside: &str) -> usize {
    let body = inside.trim_start_matches('-').trim_start();
    if body.starts_with("/*") {
        let comment = inside.find("*/").map_or(inside.len(), |end| end + 2);
        return comment + inside[comment..].find("}}").unwrap_or(inside.len() - comment);
    }
    let mut quote = None;
    let mut escaped = false;
    for (position, character) in inside.char_indices() {
        match quote {
            Some('`') if character == '`' => quote = None,
            Some('`') => {}
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'' | '`') => quote = Some(character),
            None if inside[position..].starts_with("}}") => return position,
            None => {}
        }
    }
    inside.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_balanced() {
        for good in [
            "{{if .a}}{{else if .b}}{{else}}{{end}}",
            "{{define \"x\"}}{{range .}}{{end}}{{end}}{{- with .c -}}{{- end -}}",
            "{{\"{{if}}\"}}{{`{{end}}`}}{{/* {{end}} */}}{{- /* }} {{if */ -}}{{'\"'}}{{.ending}}{{.iffy}}",
            "no actions }} at all {",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, offset) in [
            ("{{if .a}}", 0),
            ("a{{end}}", 1),
            ("{{else}}", 0),
            ("{{range .}}{{define \"x\"}}{{end}}{{end}}", 11),
        ] {
            assert_eq!(check(bad).unwrap_err().offset, offset, "{bad}");
        }
    }
}
