//! What a guest sees: arguments, environment, files, and where its output goes.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{WasiCtxBuilder, async_trait};

use crate::executor::{OutputWriter, StopReason, TaskRun};

use super::error::Error;
use super::limits::MemoryBudget;
use super::mounts;

/// The state behind a guest's imports.
pub(super) struct Host {
    pub(super) wasi: WasiP1Ctx,
    pub(super) budget: MemoryBudget,
}

/// Where a guest's output goes, until it is to stop.
pub(super) struct Stdio {
    pub(super) stdout: OutputWriter,
    pub(super) stderr: OutputWriter,
    pub(super) stop: StopSignal,
}

/// Set when a guest is to stop.
pub(super) type StopSignal = watch::Receiver<Option<StopReason>>;

impl Host {
    /// Sets up the guest's world. `modules` are files that hold its code: they are linked, not shown, since showing a
    /// single file costs a link on disk.
    pub(super) fn new(
        run: &TaskRun,
        parameters: &[String],
        modules: &[PathBuf],
        stdio: Stdio,
    ) -> Result<Self, Error> {
        let mut wasi = WasiCtxBuilder::new();
        // The guest has a thread to itself, so file operations may block it.
        wasi.allow_blocking_current_thread(true);
        let Stdio { stdout, stderr, stop } = stdio;
        let stdout = OutputPipe { writer: stdout, stop: stop.clone() };
        wasi.stdout(stdout).stderr(OutputPipe { writer: stderr, stop });
        wasi.arg("").args(parameters);
        for (name, value) in &run.environment {
            wasi.env(name, value);
        }
        let shown =
            run.inputs.iter().filter(|input| !modules.iter().any(|module| module == input.host.name()));
        mounts::show(&mut wasi, shown.chain(&run.outputs), &run.scratch_dir)?;
        Ok(Self { wasi: wasi.build_p1(), budget: MemoryBudget::new(run.memory_limit_bytes) })
    }
}

/// Stdout or stderr as WASI wants it. Writes go straight to the file: the guest's thread may block.
///
/// A guest that comes back from a system call after its execution was given up writes nothing: its output may have been
/// removed since.
#[derive(Clone)]
struct OutputPipe {
    writer: OutputWriter,
    stop: StopSignal,
}

impl OutputPipe {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        match *self.stop.borrow() {
            Some(_) => Err(io::ErrorKind::BrokenPipe.into()),
            None => self.writer.write(bytes),
        }
    }
}

/// Largest single write taken from a guest, bytes.
const MAX_WRITE_BYTES: usize = 64 << 10;

impl IsTerminal for OutputPipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for OutputPipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for OutputPipe {
    async fn ready(&mut self) {}
}

impl OutputStream for OutputPipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes).map_err(|error| StreamError::LastOperationFailed(error.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE_BYTES)
    }
}

impl AsyncWrite for OutputPipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.append(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
