//! The directories a guest can open. WASI knows no single files, so those get a directory made for them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, linkat};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::executor::{Access, HostPath, Mount};
use crate::tree;

use super::error::Error;
use super::resolve::guest_path;

/// Largest single file that is copied because it cannot be linked, bytes.
const MAX_COPIED_FILE_BYTES: u64 = 256 << 20;

/// Opens all mounts for the guest; directories made for single files go below `scratch`.
pub(super) fn show<'a>(
    wasi: &mut WasiCtxBuilder,
    mounts: impl Iterator<Item = &'a Mount>,
    scratch: &Path,
) -> Result<(), Error> {
    for (number, (guest, dir)) in plan(mounts)?.into_iter().enumerate() {
        let (host, access) = match dir {
            GuestDir::Mounted(mount) => (mount.host.access().into_owned(), mount.access),
            GuestDir::Files { files, access } => {
                // By number: guest paths as names could meet each other or lie inside one another.
                let dir = scratch.join(number.to_string());
                gather(&guest, &files, &dir)?;
                (dir, access)
            }
        };
        let permissions = match access {
            Access::ReadOnly => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        if let Err(error) = wasi.preopened_dir(&host, &guest, permissions) {
            return Err(Error::Mount { host, guest, source: io::Error::other(format!("{error:#}")) });
        }
    }
    Ok(())
}

/// What the guest finds at one path.
#[derive(Debug)]
enum GuestDir<'a> {
    Mounted(&'a Mount),
    /// Single files by name. What may be done is a property of their directory, so they all allow the same.
    Files {
        files: BTreeMap<String, &'a Mount>,
        access: Access,
    },
}

// Preview 1 programs choose the directory with the longest matching path, so one guest path is one directory.
fn plan<'a>(mounts: impl Iterator<Item = &'a Mount>) -> Result<BTreeMap<String, GuestDir<'a>>, Error> {
    let mut plan = BTreeMap::new();
    for mount in mounts {
        let guest = guest_path(&mount.guest)?;
        match kind(&mount.host).map_err(|source| failed(mount, source))? {
            Kind::Directory if plan.contains_key(&guest) => return refuse(mount, TAKEN),
            Kind::Directory => drop(plan.insert(guest, GuestDir::Mounted(mount))),
            Kind::File => add_file(&mut plan, &guest, mount)?,
            Kind::Other => return refuse(mount, "the input is neither a file nor a directory"),
        }
    }
    Ok(plan)
}

enum Kind {
    Directory,
    File,
    Other,
}

fn kind(host: &HostPath) -> io::Result<Kind> {
    if let HostPath::Unmade { .. } = host {
        return Ok(Kind::File);
    }
    let metadata = fs::metadata(host.access())?;
    Ok(if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_file() {
        Kind::File
    } else {
        Kind::Other
    })
}

const TAKEN: &str = "another input or output is already there";

fn add_file<'a>(
    plan: &mut BTreeMap<String, GuestDir<'a>>,
    guest: &str,
    mount: &'a Mount,
) -> Result<(), Error> {
    let (parent, name) = match guest.rsplit_once('/') {
        Some((_, "")) | None => return refuse(mount, "a file needs a name, not just a directory"),
        Some(("", name)) => ("/", name),
        Some(split) => split,
    };
    let new = || GuestDir::Files { files: BTreeMap::new(), access: mount.access };
    match plan.entry(parent.to_owned()).or_insert_with(new) {
        GuestDir::Files { access, .. } if *access != mount.access => {
            refuse(mount, "a read-only and a writable file cannot share a directory")
        }
        GuestDir::Files { files, .. } if !files.contains_key(name) => {
            files.insert(name.to_owned(), mount);
            Ok(())
        }
        _ => refuse(mount, TAKEN),
    }
}

fn gather(guest: &str, files: &BTreeMap<String, &Mount>, dir: &Path) -> Result<(), Error> {
    let unusable = |source| Error::Mount { host: dir.to_owned(), guest: guest.to_owned(), source };
    // Left over if the agent was killed while an earlier attempt of the execution ran.
    tree::remove(dir).and_then(|()| fs::create_dir_all(dir)).map_err(unusable)?;
    for (name, mount) in files {
        show_file(mount, dir.join(name)).map_err(|source| failed(mount, source))?;
    }
    Ok(())
}

// A hard link costs no space and shows later changes. Where the system allows none (another file system, another
// owner's file) a read-only file is copied.
fn show_file(mount: &Mount, at: PathBuf) -> io::Result<()> {
    if let HostPath::Unmade { content, .. } = &mount.host {
        return content.place(&at);
    }
    let host = mount.host.access();
    let Err(unlinkable) = linkat(CWD, &*host, CWD, &at, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
    else {
        return Ok(());
    };
    let advice = match mount.access {
        Access::ReadWrite => "a single file that cannot be linked is not writable",
        Access::ReadOnly if fs::metadata(&host)?.len() > MAX_COPIED_FILE_BYTES => {
            "a single file that cannot be linked may have 256 MiB"
        }
        Access::ReadOnly => return fs::copy(host, at).map(drop),
    };
    Err(io::Error::new(unlinkable.kind(), format!("{advice}; mount its directory instead ({unlinkable})")))
}

fn refuse<T>(mount: &Mount, reason: &'static str) -> Result<T, Error> {
    Err(Error::GuestPath { path: mount.guest.clone(), reason })
}

fn failed(mount: &Mount, source: io::Error) -> Error {
    Error::Mount { host: mount.host.name().to_owned(), guest: mount.guest.clone(), source }
}
