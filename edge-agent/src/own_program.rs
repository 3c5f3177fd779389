//! The files this program is made of, so that it can run where nothing else is installed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{RECLAIM_ARGUMENT, RELAY_ARGUMENT, egress, reclaim};

/// What this program does in a container of its own, if that is what its arguments ask for; else `None`. For the beginning
/// of `main`.
pub fn in_container(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let first = arguments.nth(1)?;
    if first == RELAY_ARGUMENT {
        Some(egress::relay(arguments))
    } else if first == RECLAIM_ARGUMENT {
        Some(reclaim::reclaim(arguments))
    } else {
        None
    }
}

/// Another root directory needs exactly these to run this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnProgram {
    /// The program's own file.
    pub executable: PathBuf,
    /// What a program that is not static needs beside it.
    pub shared: Option<Shared>,
}

/// Loader and libraries of a dynamically linked program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Loads the rest, and is started in the program's place.
    pub loader: PathBuf,
    /// All others.
    pub libraries: Vec<PathBuf>,
}

impl OwnProgram {
    /// As this process runs it.
    pub fn read() -> io::Result<Self> {
        let executable = std::env::current_exe()?;
        let mut mapped = libraries(&std::fs::read_to_string("/proc/self/maps")?);
        mapped.remove(&executable);
        let loader = mapped.iter().find(|path| is_loader(path)).cloned();
        let shared = loader.map(|loader| {
            mapped.remove(&loader);
            Shared { loader, libraries: mapped.into_iter().collect() }
        });
        let program = Self { executable, shared };
        let gone = program.files().find(|path| !path.exists()).map(|path| path.display().to_string());
        // The kernel adds a word to names of files that are gone.
        let error = |path: &str| {
            let path = path.trim_end_matches(" (deleted)");
            io::Error::other(format!("{path} was replaced while the agent ran; start the agent again"))
        };
        gone.map_or(Ok(program), |path| Err(error(&path)))
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let shared =
            self.shared.iter().flat_map(|shared| std::iter::once(&shared.loader).chain(&shared.libraries));
        std::iter::once(&self.executable).chain(shared).map(PathBuf::as_path)
    }
}

/// Files that code is mapped from, of a list as `/proc/PID/maps` has it (proc(5)), unless they are no libraries.
fn libraries(maps: &str) -> BTreeSet<PathBuf> {
    let path = |line: &str| {
        let (fields, path) = line.split_at(line.find('/')?);
        let is_code = fields.split(' ').nth(1)?.contains('x');
        let path = Path::new(path);
        let is_library = path.file_name()?.to_str()?.contains(".so");
        (is_code && is_library).then(|| path.to_owned())
    };
    maps.lines().filter_map(path).collect()
}

/// `ld-linux-x86-64.so.2`, `ld-musl-aarch64.so.1`, `ld.so.1`.
fn is_loader(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("ld-") || name.starts_with("ld."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_and_libraries_are_told_from_other_mappings() {
        let maps = "\
            55d0c6a00000-55d0c6a02000 r-xp 00001000 08:01 12 /opt/my agent/bin\n\
            7f1000000000-7f1000001000 r--p 00000000 08:01 13 /usr/lib/libc.so.6\n\
            7f1000001000-7f1000002000 r-xp 00001000 08:01 13 /usr/lib/libc.so.6\n\
            7f1000003000-7f1000004000 r-xp 00000000 08:01 14 /usr/lib/ld-linux-x86-64.so.2\n\
            7f1000005000-7f1000006000 r--p 00000000 08:01 15 /usr/lib/locale/locale-archive\n\
            7f1000007000-7f1000008000 rw-p 00000000 00:00 0 \n\
            7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0 [vdso]\n";
        let found: Vec<PathBuf> = libraries(maps).into_iter().collect();
        assert_eq!(found, [Path::new("/usr/lib/ld-linux-x86-64.so.2"), Path::new("/usr/lib/libc.so.6")]);
        assert!(is_loader(&found[0]) && !is_loader(&found[1]));
    }

    #[test]
    fn this_test_is_found() {
        let program = OwnProgram::read().unwrap();
        assert_eq!(program.executable, std::env::current_exe().unwrap());
        assert!(program.files().all(Path::is_file));
    }
}
