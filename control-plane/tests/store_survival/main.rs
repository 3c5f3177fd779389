//! What the embedded store keeps when its process is killed or the power goes. `docs/durability.md` explains the method.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

#[cfg(test)]
mod disk;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod workload;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the ignored test `name` of this binary as a process of its own, on `directory`. Such a process may be killed, or
/// die of a broken store, without ending the tests.
fn child(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(["--exact", "--ignored", "--nocapture", "--test-threads=1", name]);
    command.env(DIRECTORY, directory);
    command
}

/// Inside such a process: the directory it was given.
fn given_directory() -> PathBuf {
    std::env::var_os(DIRECTORY).expect("only run by the other tests of this binary").into()
}

const DIRECTORY: &str = "STORE_SURVIVAL_DIRECTORY";
