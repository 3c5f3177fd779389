//! What a guest sees: arguments, environment, files, and where its output goes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder, async_trait};

use crate::executor::{Access, Mount, OutputWriter, TaskRun};

use super::error::Error;
use super::limits::MemoryBudget;
use super::resolve::guest_path;

/// The state behind a guest's imports.
pub(super) struct Host {
    pub(super) wasi: WasiP1Ctx,
    pub(super) budget: MemoryBudget,
}

/// Where a guest's output goes.
pub(super) struct Stdio {
    pub(super) stdout: OutputWriter,
    pub(super) stderr: OutputWriter,
}

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
        wasi.stdout(OutputPipe(stdio.stdout)).stderr(OutputPipe(stdio.stderr));
        wasi.arg("").args(parameters);
        for (name, value) in &run.environment {
            wasi.env(name, value);
        }
        let shown = run.inputs.iter().filter(|input| !modules.contains(&input.host));
        for (guest, dir) in plan_mounts(shown.chain(&run.outputs))? {
            preopen(&mut wasi, &guest, dir, &run.scratch_dir)?;
        }
        Ok(Self { wasi: wasi.build_p1(), budget: MemoryBudget::new(run.memory_limit_bytes) })
    }
}

/// A directory the guest can open.
#[derive(Debug)]
enum GuestDir<'a> {
    Mounted(&'a Mount),
    /// Made for single files, which WASI cannot show by themselves; by name.
    Files(BTreeMap<String, &'a Mount>),
}

// Preview 1 programs choose the directory with the longest matching path, so one guest path is one directory.
fn plan_mounts<'a>(mounts: impl Iterator<Item = &'a Mount>) -> Result<BTreeMap<String, GuestDir<'a>>, Error> {
    let mut plan = BTreeMap::new();
    for mount in mounts {
        let guest = guest_path(&mount.guest)?;
        let about = fs::metadata(&mount.host).map_err(|source| mount_error(mount, source))?;
        if about.is_dir() {
            if plan.insert(guest, GuestDir::Mounted(mount)).is_some() {
                return taken(mount);
            }
            continue;
        }
        let (parent, name) = match guest.rsplit_once('/') {
            Some((parent, name)) if !name.is_empty() => (parent, name),
            _ => return taken(mount),
        };
        let parent = if parent.is_empty() { "/" } else { parent };
        let entry = plan.entry(parent.to_owned()).or_insert_with(|| GuestDir::Files(BTreeMap::new()));
        match entry {
            GuestDir::Files(files) if !files.contains_key(name) => files.insert(name.to_owned(), mount),
            _ => return taken(mount),
        };
    }
    Ok(plan)
}

fn taken<T>(mount: &Mount) -> Result<T, Error> {
    let reason = "another input or output is already there";
    Err(Error::GuestPath { path: mount.guest.clone(), reason })
}

fn preopen(wasi: &mut WasiCtxBuilder, guest: &str, dir: GuestDir<'_>, scratch: &Path) -> Result<(), Error> {
    let (host, permissions) = match &dir {
        GuestDir::Mounted(mount) => (mount.host.clone(), permissions(mount.access)),
        GuestDir::Files(files) => (gather(guest, files, scratch)?, files_permissions(files)),
    };
    wasi.preopened_dir(&host, guest, permissions)
        .map_err(|error| Error::Mount {
            host,
            guest: guest.to_owned(),
            source: io::Error::other(format!("{error:#}")),
        })
        .map(drop)
}

fn permissions(access: Access) -> FsPerms {
    match access {
        Access::ReadOnly => FsPerms::ReadOnly,
        Access::ReadWrite => FsPerms::ReadWrite,
    }
}

// Files that may be written share a directory with none that may not: permissions belong to the directory.
fn files_permissions(files: &BTreeMap<String, &Mount>) -> FsPerms {
    let writable = files.values().all(|mount| mount.access == Access::ReadWrite);
    permissions(if writable { Access::ReadWrite } else { Access::ReadOnly })
}

fn gather(guest: &str, files: &BTreeMap<String, &Mount>, scratch: &Path) -> Result<PathBuf, Error> {
    let dir = scratch.join("files").join(guest.trim_start_matches('/').replace('/', "%"));
    let failed = |source| Error::Mount { host: dir.clone(), guest: guest.to_owned(), source };
    fs::create_dir_all(&dir).map_err(failed)?;
    for (name, mount) in files {
        show_file(mount, &dir.join(name)).map_err(|source| mount_error(mount, source))?;
    }
    Ok(dir)
}

// A hard link costs no space and shows later changes. Where the system allows none (another file system, another
// owner's file) a read-only file is copied.
fn show_file(mount: &Mount, at: &Path) -> io::Result<()> {
    match fs::remove_file(at) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match (fs::hard_link(&mount.host, at), mount.access) {
        (Ok(()), _) => Ok(()),
        (Err(_), Access::ReadOnly) => fs::copy(&mount.host, at).map(drop),
        (Err(error), Access::ReadWrite) => Err(io::Error::new(
            error.kind(),
            format!(
                "a single file on another file system cannot be written through; mount its directory ({error})"
            ),
        )),
    }
}

fn mount_error(mount: &Mount, source: io::Error) -> Error {
    Error::Mount { host: mount.host.clone(), guest: mount.guest.clone(), source }
}

/// Stdout or stderr as WASI wants it. Writes go straight to the file: the guest's thread may block.
#[derive(Clone)]
struct OutputPipe(OutputWriter);

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
        self.0.write(&bytes).map_err(|error| StreamError::LastOperationFailed(error.into()))
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
        Poll::Ready(self.0.write(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
