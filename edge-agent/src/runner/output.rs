//! What of a task's output travels with its record.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use bacalhau_protocol::model::RunOutput;

/// Writes the exit code beside the output and reads the beginning of both streams. What cannot be read is told in the
/// output's error.
pub(super) async fn collect(results_dir: &Path, exit_code: i32) -> RunOutput {
    let results_dir = results_dir.to_owned();
    let collected = tokio::task::spawn_blocking(move || read(&results_dir, exit_code)).await;
    match collected.unwrap_or_else(|stopped| Err(io::Error::other(stopped))) {
        Ok(output) => output,
        Err(error) => RunOutput {
            exit_code,
            error: format!("the task's output cannot be read: {error}"),
            ..RunOutput::default()
        },
    }
}

fn read(results_dir: &Path, exit_code: i32) -> io::Result<RunOutput> {
    fs::write(results_dir.join("exitCode"), exit_code.to_string())?;
    let (stdout, stdout_truncated) = beginning(&results_dir.join("stdout"))?;
    let (stderr, stderr_truncated) = beginning(&results_dir.join("stderr"))?;
    Ok(RunOutput { stdout, stdout_truncated, stderr, stderr_truncated, exit_code, error: String::new() })
}

/// The beginning of a file as text, and whether there is more. A character that the limit cuts in two is left out.
fn beginning(path: &Path) -> io::Result<(String, bool)> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(RunOutput::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let truncated = bytes.len() > RunOutput::MAX_BYTES;
    bytes.truncate(RunOutput::MAX_BYTES);
    if truncated
        && let Err(cut) = std::str::from_utf8(&bytes)
        && cut.error_len().is_none()
    {
        bytes.truncate(cut.valid_up_to());
    }
    Ok((String::from_utf8_lossy(&bytes).into_owned(), truncated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_two_kilobytes_are_filled_and_the_rest_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let long = format!("{}é and more", "x".repeat(RunOutput::MAX_BYTES - 1));
        fs::write(directory.path().join("stdout"), long).unwrap();
        fs::write(directory.path().join("stderr"), b"bad \xff byte").unwrap();
        let output = collect(directory.path(), 3).await;
        assert_eq!(output.stdout, "x".repeat(RunOutput::MAX_BYTES - 1));
        assert_eq!((output.stdout_truncated, output.stderr_truncated), (true, false));
        assert_eq!(output.stderr, "bad \u{fffd} byte");
        assert_eq!(fs::read(directory.path().join("exitCode")).unwrap(), b"3");
    }

    #[tokio::test]
    async fn a_task_that_wrote_nothing_has_empty_output() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(collect(directory.path(), 0).await, RunOutput::default());
        let gone = collect(&directory.path().join("none"), 1).await;
        assert!(gone.error.starts_with("the task's output cannot be read: "), "{}", gone.error);
    }
}
