//! `-o/--output`: directories of a task that are kept as results (cli.md 6.3).

use crate::flags::read;

/// What is kept when nothing else maps `/outputs`.
const DEFAULT: (&str, &str) = ("outputs", "/outputs");

/// A name in the results and the path inside the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPath {
    /// Directory name in the results.
    pub name: String,
    /// Absolute path inside the task.
    pub path: String,
}

/// Reads all values of the flag and adds `outputs:/outputs` unless `/outputs` has another name.
pub fn parse_all(values: &[String]) -> Result<Vec<ResultPath>, String> {
    let mut paths =
        values.iter().map(|text| read("-o, --output", text, parse(text))).collect::<Result<Vec<_>, _>>()?;
    if !paths.iter().any(|kept| kept.path.trim_end_matches('/') == DEFAULT.1) {
        paths.insert(0, ResultPath { name: DEFAULT.0.into(), path: DEFAULT.1.into() });
    }
    Ok(paths)
}

fn parse(text: &str) -> Result<ResultPath, String> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [name, path] if !name.is_empty() && path.starts_with('/') => {
            Ok(ResultPath { name: name.to_owned(), path: path.to_owned() })
        }
        _ => Err(format!("invalid output volume: {text}; expected NAME:/ABSOLUTE/PATH")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Vec<(String, String)> {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        parse_all(&values).unwrap().into_iter().map(|kept| (kept.name, kept.path)).collect()
    }

    #[test]
    fn outputs_is_kept_unless_it_has_another_name() {
        let outputs = ("outputs".to_owned(), "/outputs".to_owned());
        assert_eq!(read(&[]), vec![outputs.clone()]);
        assert_eq!(read(&["res:/outputs"]), [("res".into(), "/outputs".into())]);
        assert_eq!(read(&["a:/data"]), [outputs, ("a".into(), "/data".into())]);
    }

    #[test]
    fn exactly_one_colon_and_an_absolute_path() {
        for bad in ["a", "a:b:c", ":/a", "a:", "a:b"] {
            assert!(parse(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
