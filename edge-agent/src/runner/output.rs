//! What of a task's output travels with its record, and what is published.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use bacalhau_protocol::model::RunOutput;

use crate::blocking::blocking;
use crate::durable;
use crate::executor::OutputSize;
use crate::executor::stream_files::{Part, StreamFiles};

/// Reads the beginning of both streams, as far as there is anything. What cannot be read is told in the output's error.
pub(super) async fn collect(results_dir: &Path, written: OutputSize, exit_code: i32) -> RunOutput {
    if (written.stdout_bytes, written.stderr_bytes) == (0, 0) {
        return RunOutput { exit_code, ..RunOutput::default() };
    }
    let results_dir = results_dir.to_owned();
    match blocking(move || read(&results_dir, exit_code)).await {
        Ok(output) => output,
        Err(error) => RunOutput {
            exit_code,
            error: format!("the task's output cannot be read: {error}"),
            ..RunOutput::default()
        },
    }
}

/// Makes the results what publishers send: both streams, though the task may have written nothing, and the exit code.
/// May be called again.
pub(super) async fn complete(results_dir: &Path, exit_code: i32) -> io::Result<()> {
    let results_dir = results_dir.to_owned();
    blocking(move || {
        durable::create_directory(&results_dir)?;
        for stream in ["stdout", "stderr"] {
            OpenOptions::new().create(true).append(true).open(results_dir.join(stream))?;
        }
        fs::write(results_dir.join("exitCode"), exit_code.to_string())
    })
    .await
}

fn read(results_dir: &Path, exit_code: i32) -> io::Result<RunOutput> {
    let (stdout, stdout_truncated) = beginning(&StreamFiles::stdout(results_dir))?;
    let (stderr, stderr_truncated) = beginning(&StreamFiles::stderr(results_dir))?;
    Ok(RunOutput { stdout, stdout_truncated, stderr, stderr_truncated, exit_code, error: String::new() })
}

/// The beginning of what is kept of a stream as text, and whether there is more before or after it. A character that the
/// limit cuts in two is left out.
fn beginning(files: &StreamFiles) -> io::Result<(String, bool)> {
    let (mut bytes, mut is_older_gone) = (Vec::new(), false);
    if let Some(Part { file, start }) = files.open_at(0)? {
        file.take(RunOutput::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        is_older_gone = start > 0;
    }
    let truncated = bytes.len() > RunOutput::MAX_BYTES || is_older_gone;
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

    const SOME: OutputSize =
        OutputSize { stdout_bytes: 1, stderr_bytes: 0, stdout_truncated: false, stderr_truncated: false };

    #[tokio::test]
    async fn the_first_two_kilobytes_are_filled_and_the_rest_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let long = format!("{}é and more", "x".repeat(RunOutput::MAX_BYTES - 1));
        fs::write(directory.path().join("stdout"), long).unwrap();
        fs::write(directory.path().join("stderr"), b"bad \xff byte").unwrap();
        let output = collect(directory.path(), SOME, 3).await;
        assert_eq!(output.stdout, "x".repeat(RunOutput::MAX_BYTES - 1));
        assert_eq!((output.stdout_truncated, output.stderr_truncated), (true, false));
        assert_eq!((output.stderr.as_str(), output.exit_code), ("bad \u{fffd} byte", 3));
    }

    #[tokio::test]
    async fn a_task_that_wrote_nothing_has_empty_output() {
        let nowhere = Path::new("/nonexistent");
        let output = RunOutput { exit_code: 1, ..RunOutput::default() };
        assert_eq!(collect(nowhere, OutputSize::default(), 1).await, output);
    }

    #[tokio::test]
    async fn output_that_cannot_be_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("stdout")).unwrap();
        let unreadable = collect(directory.path(), SOME, 1).await;
        assert!(unreadable.error.starts_with("the task's output cannot be read: "), "{}", unreadable.error);
    }

    #[tokio::test]
    async fn what_is_published_is_complete_and_keeps_what_was_written() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("e-1");
        for _ in 0..2 {
            complete(&directory, 7).await.unwrap();
            fs::write(directory.join("stderr"), "why").unwrap();
        }
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(
            (read("stdout"), read("stderr"), read("exitCode")),
            (String::new(), "why".into(), "7".into())
        );
    }
}
