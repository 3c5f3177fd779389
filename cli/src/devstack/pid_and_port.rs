//! The two files that tell scripts which devstack runs on the usual ports, and keep a second one away.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::app::Context;
use crate::error::Advised;

/// The files; they are removed when this is dropped.
#[derive(Debug)]
pub struct PidAndPort {
    pid: PathBuf,
    port: PathBuf,
}

impl PidAndPort {
    /// Takes the place of the one devstack of this machine. `IGNORE_PID_AND_PORT_FILES` takes it from another.
    pub fn take(context: &Context) -> anyhow::Result<Self> {
        let ignore =
            context.environment.get("IGNORE_PID_AND_PORT_FILES").is_some_and(|value| !value.is_empty());
        Self::take_in(&std::env::temp_dir(), ignore)
    }

    fn take_in(directory: &Path, ignore: bool) -> anyhow::Result<Self> {
        let files = Self {
            pid: directory.join("bacalhau-devstack.pid"),
            port: directory.join("bacalhau-devstack.port"),
        };
        if ignore || !is_running(&files.pid) {
            for file in [&files.pid, &files.port] {
                let _ = fs::remove_file(file);
            }
        }
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&files.pid)
            .and_then(|mut file| writeln!(file, "{}", std::process::id()));
        match written {
            Ok(()) => Ok(files),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let path = files.pid.clone();
                std::mem::forget(files);
                Err(Advised::new(
                    format!("found file {} - Devstack likely already running", path.display()),
                    "stop it, add --random-ports, or set IGNORE_PID_AND_PORT_FILES",
                )
                .into())
            }
            Err(error) => Err(error).with_context(|| format!("writing {}", files.pid.display())),
        }
    }

    /// Tells the port of the API.
    pub fn set_port(&mut self, port: u16) -> anyhow::Result<()> {
        fs::write(&self.port, format!("{port}\n")).with_context(|| format!("writing {}", self.port.display()))
    }
}

impl Drop for PidAndPort {
    fn drop(&mut self) {
        for file in [&self.pid, &self.port] {
            let _ = fs::remove_file(file);
        }
    }
}

/// A file whose process has gone is left from a crash.
fn is_running(pid: &Path) -> bool {
    let process = fs::read_to_string(pid).ok().and_then(|text| text.trim().parse::<u32>().ok());
    process.is_some_and(|process| Path::new("/proc").join(process.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_devstack_is_kept_away_and_a_crash_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = PidAndPort::take_in(directory.path(), false).unwrap();
        first.set_port(1234).unwrap();
        let error = PidAndPort::take_in(directory.path(), false).unwrap_err().to_string();
        assert!(error.contains("Devstack likely already running"), "{error}");
        assert!(directory.path().join("bacalhau-devstack.pid").exists());
        drop(first);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        fs::write(directory.path().join("bacalhau-devstack.pid"), "4294967294\n").unwrap();
        assert!(PidAndPort::take_in(directory.path(), false).is_ok());
    }
}
