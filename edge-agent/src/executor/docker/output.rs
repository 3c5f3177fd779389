//! What a container writes, into the execution's files: every byte once, whatever happens to engine and agent.
//!
//! The agent attaches before the program starts. When that stream breaks, because the engine or the agent went, the rest
//! is read from the engine's own log of the container; what the files have already is skipped by its number of bytes.

use std::io;
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::{Stream, StreamExt};
use tokio::sync::watch;

use super::Shared;
use super::container::Offsets;
use super::engine::Connection;
use super::error::Error;
use crate::executor::{OutputProgress, OutputWriter, TaskRun};

/// Pieces of output as they come.
pub(super) type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// Where output is read from.
pub(super) struct Source {
    pub(super) frames: Frames,
    /// Bytes at its beginning that the files have already.
    pub(super) skip: Offsets,
    /// Connection it belongs to.
    pub(super) epoch: u64,
}

/// Where output goes.
pub(super) struct Output {
    stdout: OutputWriter,
    stderr: OutputWriter,
    /// Bytes in the files before this container.
    before: Offsets,
    /// Bytes of this container that were taken, those beyond the limit too.
    taken: Offsets,
    /// Why the files cannot be written any more.
    broken: Option<io::Error>,
}

impl Output {
    /// The files of an execution whose container begins now.
    pub(super) fn open(run: &TaskRun) -> Result<(Self, OutputProgress), Error> {
        let (stdout, stderr, progress) = OutputWriter::open(&run.results_dir, run.output_limit_bytes)
            .map_err(|source| Error::Output { path: run.results_dir.clone(), source })?;
        let size = *progress.borrow();
        let before = Offsets { stdout: size.stdout_bytes, stderr: size.stderr_bytes };
        let output = Self { stdout, stderr, before, taken: Offsets::default(), broken: None };
        Ok((output, progress))
    }

    /// The files of an execution whose container began when they held `before`.
    pub(super) fn open_again(run: &TaskRun, before: Offsets) -> Result<(Self, OutputProgress), Error> {
        let (output, progress) = Self::open(run)?;
        let taken = Offsets {
            stdout: output.before.stdout.saturating_sub(before.stdout),
            stderr: output.before.stderr.saturating_sub(before.stderr),
        };
        Ok((Self { before, taken, ..output }, progress))
    }

    pub(super) fn offsets(&self) -> Offsets {
        self.before
    }

    /// A disk that is full does not hold up the program: what it writes is taken and lost, and told in the end.
    fn take(&mut self, skip: &mut Offsets, frame: &LogOutput) {
        let (writer, taken, skip, message) = match frame {
            LogOutput::StdErr { message } => {
                (&self.stderr, &mut self.taken.stderr, &mut skip.stderr, message)
            }
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                (&self.stdout, &mut self.taken.stdout, &mut skip.stdout, message)
            }
        };
        let known = usize::try_from(*skip).unwrap_or(usize::MAX).min(message.len());
        *skip -= known as u64;
        let news = &message[known..];
        *taken += news.len() as u64;
        if self.broken.is_none() && !news.is_empty() {
            self.broken = writer.write(news).err();
        }
    }
}

/// Copies until the container has ended and all it wrote is here. `ended` turns `Some` with the connection that told the
/// end. Returns why some of the output is missing, if it is.
pub(super) async fn copy(
    shared: &Shared,
    container: &str,
    mut output: Output,
    source: Option<Source>,
    mut ended: watch::Receiver<Option<u64>>,
) -> Option<io::Error> {
    let mut source = match source {
        Some(source) => source,
        None => log(&shared.engine.after(0).await, container, output.taken, true),
    };
    loop {
        drain(&mut source, &mut output).await;
        tokio::select! {
            biased;
            end = wait_for_end(&mut ended) => {
                // A connection that lived to tell the end has told all the output too.
                if end != source.epoch {
                    let mut rest = log(&shared.engine.after(0).await, container, output.taken, false);
                    drain(&mut rest, &mut output).await;
                }
                return output.broken;
            }
            connection = shared.engine.after(source.epoch) => {
                source = log(&connection, container, output.taken, true);
            }
        }
    }
}

/// Takes everything until the stream ends or breaks.
async fn drain(source: &mut Source, output: &mut Output) {
    while let Some(Ok(frame)) = source.frames.next().await {
        output.take(&mut source.skip, &frame);
    }
}

fn log(connection: &Connection, container: &str, skip: Offsets, follow: bool) -> Source {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).follow(follow).build();
    let frames = connection.docker.logs(container, Some(options)).boxed();
    Source { frames, skip, epoch: connection.epoch }
}

async fn wait_for_end(ended: &mut watch::Receiver<Option<u64>>) -> u64 {
    match ended.wait_for(Option::is_some).await.map(|end| *end) {
        Ok(Some(end)) => end,
        _ => std::future::pending().await,
    }
}
