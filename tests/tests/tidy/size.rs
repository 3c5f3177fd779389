//! Nothing grows beyond what one can keep in mind.

use crate::repository::File;

const MAX_FILE_LINES: usize = 700;

pub(crate) fn long_files(files: &[File]) -> Vec<String> {
    let measured =
        files.iter().filter(|file| file.is_rust()).map(|file| (&file.path, file.text.lines().count()));
    let long = measured.filter(|(_, lines)| *lines > MAX_FILE_LINES);
    long.map(|(path, lines)| format!("{path} has {lines} lines, more than {MAX_FILE_LINES}")).collect()
}

const MAX_FUNCTION_LINES: usize = 70;

pub(crate) fn long_functions(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.contains("src/")) {
        for (line, name, length) in functions(&file.text) {
            if length > MAX_FUNCTION_LINES {
                violations.push(format!("{}:{line}: `{name}` has {length} lines", file.path));
            }
        }
    }
    violations
}

/// Line, name and length of each function, relying on rustfmt: the closing brace stands below the first word.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let is_end = |line: &&str| line.trim() == "}" && line.len() == indent + 1;
        let length = lines[index..].iter().position(is_end).map_or(1, |offset| offset + 1);
        functions.push((index + 1, name, length));
    }
    functions
}

/// The name of the function whose body begins on `line` or below it.
fn function_name(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let is_one_line = code.ends_with('}') || code.ends_with(';');
    let (before, after) = code.split_once("fn ")?;
    let is_head = before.split_whitespace().all(|word| word.starts_with("pub") || QUALIFIERS.contains(&word));
    let name = after.split(['(', '<']).next()?;
    (is_head && !is_one_line).then_some(name)
}

const QUALIFIERS: &[&str] = &["async", "const", "unsafe", "extern", "\"C\"", "(crate)", "(super)"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::sample;

    #[test]
    fn a_long_file_is_found() {
        let files =
            [sample("a.rs", &"\n".repeat(MAX_FILE_LINES)), sample("b.rs", &"\n".repeat(MAX_FILE_LINES + 1))];
        assert_eq!(long_files(&files), ["b.rs has 701 lines, more than 700"]);
    }

    #[test]
    fn a_long_function_is_found_by_its_end() {
        let body = "        if a {\n        }\n".repeat(40);
        let code = format!(
            "impl A {{\n    pub(crate) async fn long(&self) {{\n{body}    }}\n\n    fn short() {{\n    }}\n}}\n"
        );
        assert_eq!(long_functions(&[sample("x/src/a.rs", &code)]), ["x/src/a.rs:2: `long` has 82 lines"]);
    }

    #[test]
    fn functions_without_a_body_of_their_own_have_no_length() {
        assert_eq!(functions("fn declared();\nfn inline() {}\nlet f = a_fn (b);\n}\n"), []);
    }
}
