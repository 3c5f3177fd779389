//! The directory of everything that is kept.

use std::path::{Path, PathBuf};

/// Resolves what was written. From a file or the environment it must be absolute, since nobody knows where those were
/// written; from the command line it is relative to the working directory.
pub(super) fn resolve(text: &str, home: &str, is_typed: bool) -> Result<PathBuf, String> {
    if text.contains('$') {
        return Err(format!("data dir path {text:?} contains a '$' character"));
    }
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            Path::new(home).join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    if path.is_absolute() {
        return Ok(path);
    }
    if !is_typed {
        return Err(format!("data dir path {text:?} is not an absolute path"));
    }
    std::path::absolute(&path).map_err(|error| format!("data dir path {text:?}: {error}"))
}

/// Where everything is kept when nobody says.
pub(super) fn default(home: &str) -> PathBuf {
    Path::new(home).join(".bacalhau")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_where_that_is_safe() {
        assert_eq!(resolve("~/x", "/home/ann", false), Ok("/home/ann/x".into()));
        assert_eq!(resolve("/x", "", false), Ok("/x".into()));
        assert!(resolve("x", "", true).unwrap().is_absolute());
        assert!(resolve("x", "", false).unwrap_err().contains("is not an absolute path"));
        assert!(resolve("/$HOME/x", "", true).unwrap_err().contains("contains a '$' character"));
    }
}
