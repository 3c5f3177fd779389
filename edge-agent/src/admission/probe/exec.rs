//! A command that decides by its exit status.

use std::io;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// The job for commands that do not read their input.
const VARIABLE: &str = "BACALHAU_JOB_SELECTION_PROBE_DATA";
/// The kernel takes no variable above 128 KiB; a larger job is on standard input only.
const MAX_VARIABLE_BYTES: usize = 100 * 1024;
/// Bytes of stderr that are read as the reason.
const MAX_STDERR_BYTES: u64 = 4096;

/// Exit status 0 takes the job; else what stands on stderr is the reason.
pub(super) async fn ask(command: &str, question: &str) -> Result<(), String> {
    let mut child =
        start(command, question).map_err(|error| format!("the command cannot be started: {error}"))?;
    let (mut stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        // A command that does not read its input is none the worse for it.
        if let Some(stdin) = &mut stdin {
            _ = stdin.write_all(question.as_bytes()).await;
        }
        drop(stdin);
    };
    let read = async {
        let mut reason = Vec::new();
        if let Some(mut stderr) = stderr {
            _ = (&mut stderr).take(MAX_STDERR_BYTES).read_to_end(&mut reason).await;
            // What nobody reads must not hold the command up.
            _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
        reason
    };
    let ((), reason, status) = tokio::join!(write, read, child.wait());
    let status = status.map_err(|error| format!("the command cannot be waited for: {error}"))?;
    let reason = String::from_utf8_lossy(&reason).trim().to_owned();
    match (status.success(), reason.as_str()) {
        (true, _) => Ok(()),
        (false, "") => Err(format!("the command ended with {status}")),
        (false, _) => Err(reason),
    }
}

/// Small devices have `sh` only.
fn start(command: &str, question: &str) -> io::Result<Child> {
    match spawn("bash", command, question) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => spawn("sh", command, question),
        other => other,
    }
}

/// The command sees nothing of the agent's environment but the search path, and dies with whoever waits for it.
fn spawn(shell: &str, command: &str, question: &str) -> io::Result<Child> {
    let mut shell = Command::new(shell);
    shell.arg("-c").arg(command).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        shell.env("PATH", path);
    }
    if question.len() <= MAX_VARIABLE_BYTES {
        shell.env(VARIABLE, question);
    }
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
}
