//! What the control plane's embedded store and the agent's journal keep when their process is killed or the power goes.
//! `docs/durability.md` explains the method.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

#[cfg(test)]
mod disk;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use disk::Wreck;

/// Runs the ignored test `name` of this binary as a process of its own, on `directory`. Such a process may be killed, or
/// die of broken files, without ending the tests.
fn child(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(["--exact", "--ignored", "--nocapture", "--test-threads=1", name]);
    command.env(DIRECTORY, directory);
    command
}

/// Has the files of a wreck examined by the child `name`: LMDB may crash on a file that is not what it wrote. They lie in
/// the directory it is given, or below it in `inside`.
fn examine(name: &str, wreck: &Wreck, inside: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    let files = directory.path().join(inside);
    fs::create_dir_all(&files).expect("a directory");
    for (file, content) in &wreck.files {
        fs::write(files.join(file.file_name().expect("files have names")), content).expect("a file");
    }
    let mut child = child(name, directory.path());
    let outcome = child.env(ACKNOWLEDGED, wreck.acknowledged.to_string()).output().expect("a process");
    if outcome.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", outcome.status, String::from_utf8_lossy(&outcome.stderr)))
}

/// Inside such a process: the number of the last commit that was acknowledged.
fn acknowledged() -> u64 {
    let given = std::env::var(ACKNOWLEDGED).expect("only run by the other tests of this binary");
    given.parse().expect("a number")
}

/// Inside such a process: the directory it was given.
fn given_directory() -> PathBuf {
    std::env::var_os(DIRECTORY).expect("only run by the other tests of this binary").into()
}

const DIRECTORY: &str = "SURVIVAL_DIRECTORY";
const ACKNOWLEDGED: &str = "SURVIVAL_ACKNOWLEDGED";

#[cfg(test)]
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
