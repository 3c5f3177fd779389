//! `.env` files: variables for programs started in a directory.

/// Reads lines of `NAME=VALUE`. `export` before them, blank lines and comments are passed over; quotes are removed. The
/// second part names lines that are none of these.
pub fn parse(text: &str) -> (Vec<(String, String)>, Vec<usize>) {
    let (mut found, mut odd) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.split_once('=').filter(|(name, _)| is_name(name.trim())) {
            Some((name, value)) => found.push((name.trim().to_owned(), unquoted(value.trim()))),
            None => odd.push(number + 1),
        }
    }
    (found, odd)
}

fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    !text.is_empty() && text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// In double quotes `\n`, `\"` and `\\` mean what they do elsewhere; a comment follows what is not quoted.
fn unquoted(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.split('\'').next()) {
        return inner.to_owned();
    }
    let Some(inner) = value.strip_prefix('"') else {
        return value.split(" #").next().unwrap_or(value).trim_end().to_owned();
    };
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_and_odd_lines_named() {
        let text = "# comment\nA=1\n export B = two words # note\n\nC='x # y'\nD=\"a\\n\\\"b\\\"\"\nnonsense\n1X=2\nE=\n";
        let (found, odd) = parse(text);
        let expected = [("A", "1"), ("B", "two words"), ("C", "x # y"), ("D", "a\n\"b\""), ("E", "")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(odd, [7, 8]);
    }
}
