//! Compiling in a short-lived process, because a small hostile module can ask for any amount of time and memory.
//!
//! The parent sends one [`Request`] and the module on the child's stdin and reads the artifact from its stdout. The
//! child limits itself before it looks at the module; the parent limits how long and how much it listens.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bacalhau_protocol::engine_profile::EngineProfile;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

#[cfg(feature = "compiler")]
pub use child::compile_child;

/// What one compilation may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// Address space of the process, bytes.
    pub memory_bytes: u64,
    /// Processor time, seconds.
    pub cpu_seconds: u64,
    /// Time until the parent loses patience, seconds.
    pub wall_seconds: u64,
    /// Largest artifact, bytes.
    pub artifact_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, cpu_seconds: 120, wall_seconds: 300, artifact_bytes: 256 << 20 }
    }
}

/// Compiles in processes that run [`compile_child`] and nothing else.
#[derive(Debug, Clone)]
pub struct ChildCompiler {
    /// The program, usually the one that runs.
    pub program: PathBuf,
    /// Arguments that make it call [`compile_child`] first thing, before it starts threads.
    pub arguments: Vec<String>,
    /// What each may cost.
    pub limits: CompileLimits,
}

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The compiler refused the module, in its words.
    #[error("{0}")]
    Refused(String),
    /// The process used more than it may.
    #[error("the compiler needs more than {memory_bytes} bytes or {cpu_seconds} seconds of processor time")]
    Exhausted {
        /// Its address space.
        memory_bytes: u64,
        /// Its processor time.
        cpu_seconds: u64,
    },
    /// The process did not end in time.
    #[error("the compiler was not done after {0} seconds")]
    TimedOut(u64),
    /// The artifact does not fit.
    #[error("the compiled module has more than {0} bytes")]
    TooLarge(u64),
    /// The process could not be started or talked to.
    #[error("run the compiler process")]
    Io(#[from] io::Error),
}

impl ChildError {
    /// Whether the module, not the machine, is the reason.
    pub(super) fn is_modules_fault(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::TooLarge(_))
    }
}

/// What the child reads before the module, behind its length as four little-endian bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    profile: EngineProfile,
    limits: CompileLimits,
}

/// Longest error text taken from a child, bytes.
const MAX_REASON_BYTES: u64 = 16 << 10;

impl ChildCompiler {
    /// Compiles `wasm` for `profile`. Dropping the future kills the process.
    pub async fn compile(&self, profile: &EngineProfile, wasm: &[u8]) -> Result<Vec<u8>, ChildError> {
        let request = Request { profile: profile.clone(), limits: self.limits };
        let patience = Duration::from_secs(self.limits.wall_seconds);
        tokio::time::timeout(patience, self.converse(&request, wasm))
            .await
            .unwrap_or(Err(ChildError::TimedOut(self.limits.wall_seconds)))
    }

    async fn converse(&self, request: &Request, wasm: &[u8]) -> Result<Vec<u8>, ChildError> {
        let mut child = self.spawn()?;
        let (stdin, stdout, stderr) = match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
            _ => return Err(io::Error::other("a pipe is missing").into()),
        };
        let (mut artifact, mut reason) = (Vec::new(), Vec::new());
        let mut bounded_stdout = stdout.take(self.limits.artifact_bytes + 1);
        let mut bounded_stderr = stderr.take(MAX_REASON_BYTES);
        let (sent, read, told) = tokio::join!(
            send(stdin, request, wasm),
            bounded_stdout.read_to_end(&mut artifact),
            bounded_stderr.read_to_end(&mut reason),
        );
        read?;
        told?;
        if artifact.len() as u64 > self.limits.artifact_bytes {
            return Err(ChildError::TooLarge(self.limits.artifact_bytes));
        }
        let status = child.wait().await?;
        self.judge(status, &reason)?;
        // A child that was content has read everything; one that was not explains more by its status than by the pipe.
        sent?;
        Ok(artifact)
    }

    fn spawn(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn judge(&self, status: ExitStatus, reason: &[u8]) -> Result<(), ChildError> {
        match status.code() {
            Some(0) => Ok(()),
            Some(_) => Err(ChildError::Refused(String::from_utf8_lossy(reason).trim().to_owned())),
            // Killed by its processor limit, or it aborted because an allocation failed.
            None => Err(ChildError::Exhausted {
                memory_bytes: self.limits.memory_bytes,
                cpu_seconds: self.limits.cpu_seconds,
            }),
        }
    }
}

async fn send(mut stdin: ChildStdin, request: &Request, wasm: &[u8]) -> io::Result<()> {
    let header = postcard::to_stdvec(request).map_err(io::Error::other)?;
    let length = u32::try_from(header.len()).map_err(io::Error::other)?;
    stdin.write_all(&length.to_le_bytes()).await?;
    stdin.write_all(&header).await?;
    stdin.write_all(wasm).await?;
    stdin.shutdown().await
}

#[cfg(feature = "compiler")]
mod child {
    use std::io::{self, Read, Write};
    use std::process::ExitCode;

    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::super::binary::MAX_MODULE_BYTES;
    use super::super::compile::compile;
    use super::{CompileLimits, Request};

    /// Longest request header, bytes.
    const MAX_REQUEST_BYTES: u32 = 64 << 10;

    /// The whole life of a compiling process: request and module from stdin, artifact to stdout, what is wrong to
    /// stderr. Call it first in `main`, while the process has one thread, and return what it returns.
    pub fn compile_child() -> ExitCode {
        match serve(io::stdin().lock(), io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                // Nobody is left to tell when stderr fails as well.
                let _ = writeln!(io::stderr(), "{reason}");
                ExitCode::FAILURE
            }
        }
    }

    fn serve(mut input: impl Read, mut output: impl Write) -> Result<(), String> {
        let request = read_request(&mut input).map_err(|error| format!("read the request: {error}"))?;
        limit_process(&request.limits).map_err(|error| format!("limit the process: {error}"))?;
        let mut wasm = Vec::new();
        input
            .take(MAX_MODULE_BYTES)
            .read_to_end(&mut wasm)
            .map_err(|error| format!("read the module: {error}"))?;
        let artifact = compile(&request.profile, &wasm).map_err(|error| error.to_string())?;
        output
            .write_all(&artifact)
            .and_then(|()| output.flush())
            .map_err(|error| format!("write the artifact: {error}"))
    }

    fn read_request(input: &mut impl Read) -> io::Result<Request> {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MAX_REQUEST_BYTES {
            return Err(io::Error::other(format!("it has {length} bytes, the limit is {MAX_REQUEST_BYTES}")));
        }
        let mut header = Vec::new();
        input.take(length.into()).read_to_end(&mut header)?;
        postcard::from_bytes(&header).map_err(io::Error::other)
    }

    fn limit_process(limits: &CompileLimits) -> io::Result<()> {
        let exactly = |value| Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(Resource::As, exactly(limits.memory_bytes))?;
        setrlimit(Resource::Cpu, exactly(limits.cpu_seconds))?;
        setrlimit(Resource::Core, exactly(0))?;
        Ok(())
    }
}
