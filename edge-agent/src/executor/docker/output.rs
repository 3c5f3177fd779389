//! What a container writes, into the execution's files: every byte once, whatever happens to engine and agent.
//!
//! To a task that ends the agent attaches before the program starts; while the agent is slow, the program waits. When that
//! stream breaks, because the engine or the agent went, the rest is read from the engine's own log of the container; what
//! the files have already is skipped by its number of bytes.
//!
//! Of a task that goes on only the newest output is kept, by the engine too, whose log so loses the beginning from which
//! bytes could be counted. There the log is read from the start on, with the times of its entries; every few megabytes the
//! time of one is noted ([`Mark`]), and after a break bytes are counted from that one.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Shared;
use super::container::Offsets;
use super::engine::Connection;
use super::error::Error;
use super::marks::{self, Known, Mark};
use super::watch::ODD_PAUSE;
use crate::executor::{Kept, OutputProgress, OutputWriter, TaskRun};

/// Bytes of a stream after which another entry of the log is marked: less than the engine keeps.
const MARKED_EVERY_BYTES: u64 = 4 << 20;
/// Name of the file of marks in the task's scratch directory.
const MARKS: &str = "output-marks";
/// Pieces of output that are written together if they came together.
const MAX_BATCH: usize = 64;

/// Pieces of output as they come.
pub(super) type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// Where output is read from.
pub(super) struct Source {
    frames: Frames,
    /// Each piece begins with the time of its entry in the log.
    has_times: bool,
    /// What of stdout and stderr the files have already.
    known: [Known; 2],
    /// Connection it belongs to.
    epoch: u64,
}

impl Source {
    /// What the program writes from its start on, without the log.
    pub(super) fn attached(frames: Frames, epoch: u64) -> Self {
        Self { frames, has_times: false, known: Default::default(), epoch }
    }
}

/// Where output goes.
pub(super) struct Output {
    stdout: Copied,
    stderr: Copied,
    kept: Kept,
    marks: PathBuf,
}

/// One of the streams.
struct Copied {
    writer: OutputWriter,
    /// Bytes in the files before this container.
    before: u64,
    /// Bytes of this container that were taken, those beyond the limit too.
    taken: u64,
    mark: Mark,
    /// Time of the entry that came last. The parts of a long line are entries of the same time.
    time: String,
}

impl Output {
    /// The files of an execution whose container begins now.
    pub(super) fn open(run: &TaskRun) -> Result<(Self, OutputProgress), Error> {
        let problem = |source| Error::Output { path: run.results_dir.clone(), source };
        let marks = run.scratch_dir.join(MARKS);
        crate::tree::remove(&marks).map_err(problem)?;
        Self::of(run, marks, None).map_err(problem)
    }

    /// The files of an execution whose container began when they held `before`.
    pub(super) fn open_again(run: &TaskRun, before: Offsets) -> Result<(Self, OutputProgress), Error> {
        let problem = |source| Error::Output { path: run.results_dir.clone(), source };
        Self::of(run, run.scratch_dir.join(MARKS), Some(before)).map_err(problem)
    }

    fn of(run: &TaskRun, marks: PathBuf, before: Option<Offsets>) -> io::Result<(Self, OutputProgress)> {
        let (stdout, stderr, progress) = OutputWriter::open(&run.results_dir, run.kept)?;
        let size = *progress.borrow();
        let before = before.unwrap_or(Offsets { stdout: size.stdout_bytes, stderr: size.stderr_bytes });
        let [stdout_mark, stderr_mark] = marks::load(&marks);
        let copied = |writer, end: u64, before, mark| {
            let taken = end.saturating_sub(before);
            Copied { writer, before, taken, mark, time: String::new() }
        };
        let stdout = copied(stdout, size.stdout_bytes, before.stdout, stdout_mark);
        let stderr = copied(stderr, size.stderr_bytes, before.stderr, stderr_mark);
        Ok((Self { stdout, stderr, kept: run.kept, marks }, progress))
    }

    /// Why some of the output is missing, if it is.
    fn broken(&self) -> Option<io::Error> {
        self.stdout.writer.broken().or_else(|| self.stderr.writer.broken())
    }

    pub(super) fn offsets(&self) -> Offsets {
        Offsets { stdout: self.stdout.before, stderr: self.stderr.before }
    }

    /// Whether the engine keeps all that could be wanted from its log.
    pub(super) fn is_counted_from_start(&self) -> bool {
        matches!(self.kept, Kept::First(_))
    }

    /// A disk that is full does not hold up the program: what it writes is taken and lost. A task that ends is told so; one
    /// that goes on may find room again.
    fn take(&mut self, known: &mut [Known; 2], has_times: bool, frames: &[LogOutput]) {
        let mut is_marked = false;
        for frame in frames {
            let (copied, known, message) = match frame {
                LogOutput::StdErr { message } => (&mut self.stderr, &mut known[1], message),
                LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => (&mut self.stdout, &mut known[0], message),
            };
            let (time, text) = if has_times { split_time(message) } else { ("", &message[..]) };
            let (news, marked) = copied.take(known, time, text);
            is_marked |= marked;
            if !news.is_empty() {
                _ = copied.writer.write(news);
            }
        }
        if is_marked && let Err(error) = marks::save(&self.marks, [&self.stdout.mark, &self.stderr.mark]) {
            tracing::warn!(%error, "how far a container's output was read cannot be noted");
        }
    }
}

impl Copied {
    /// What of an entry is new, and whether it was marked.
    fn take<'t>(&mut self, known: &mut Known, time: &str, text: &'t [u8]) -> (&'t [u8], bool) {
        let news = known.news(time, text);
        let may_be_marked = time != self.time && news.len() == text.len();
        let is_marked = may_be_marked && self.taken.saturating_sub(self.mark.at) >= MARKED_EVERY_BYTES;
        if is_marked {
            self.mark = Mark { at: self.taken, time: time.to_owned() };
        }
        self.time.clear();
        self.time.push_str(time);
        self.taken += news.len() as u64;
        (news, is_marked)
    }
}

/// The time that the engine writes in front of an entry.
fn split_time(entry: &[u8]) -> (&str, &[u8]) {
    let space = entry.iter().position(|byte| *byte == b' ');
    let split = space.map(|space| (std::str::from_utf8(&entry[..space]), &entry[space + 1..]));
    match split {
        Some((Ok(time), text)) => (time, text),
        _ => ("", entry),
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
        None => log(&shared.engine.after(0).await, container, &output, true),
    };
    loop {
        let epoch = source.epoch;
        let is_whole;
        (output, is_whole) = drain(source, output).await;
        source = tokio::select! {
            biased;
            end = wait_for_end(&mut ended) => {
                // A connection that lived to tell the end has told all the output too.
                if end != epoch || !is_whole {
                    let rest = log(&shared.engine.after(0).await, container, &output, false);
                    (output, _) = drain(rest, output).await;
                }
                return output.broken();
            }
            connection = shared.engine.after(epoch) => log(&connection, container, &output, true),
            () = sleep(ODD_PAUSE) => log(&shared.engine.after(0).await, container, &output, true),
        };
    }
}

/// Takes everything until the stream ends, or breaks: then false. The disk is waited for elsewhere.
async fn drain(source: Source, mut output: Output) -> (Output, bool) {
    let Source { frames, has_times, mut known, .. } = source;
    let mut batches = frames.ready_chunks(MAX_BATCH);
    while let Some(batch) = batches.next().await {
        let came = batch.len();
        let frames: Vec<LogOutput> = batch.into_iter().map_while(Result::ok).collect();
        let is_whole = frames.len() == came;
        let written = tokio::task::spawn_blocking(move || {
            output.take(&mut known, has_times, &frames);
            (output, known)
        });
        (output, known) = written.await.expect("writing does not panic, and the runtime runs");
        if !is_whole {
            return (output, false);
        }
    }
    (output, true)
}

fn log(connection: &Connection, container: &str, output: &Output, follow: bool) -> Source {
    let has_times = !output.is_counted_from_start();
    let options =
        LogsOptionsBuilder::default().stdout(true).stderr(true).follow(follow).timestamps(has_times).build();
    let frames = connection.docker.logs(container, Some(options)).boxed();
    let known = [&output.stdout, &output.stderr].map(|copied| Known::new(&copied.mark, copied.taken));
    Source { frames, has_times, known, epoch: connection.epoch }
}

async fn wait_for_end(ended: &mut watch::Receiver<Option<u64>>) -> u64 {
    match ended.wait_for(Option::is_some).await.map(|end| *end) {
        Ok(Some(end)) => end,
        _ => std::future::pending().await,
    }
}
