//! `cargo xtask wasm`: the example guest as a WebAssembly module.
//!
//! The module is committed, so that nobody needs a WebAssembly toolchain to run the example. A list of checksums beside
//! it, in the format of `sha256sum`, tells whether module and sources still belong together.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::toolchain::StandardLibrary;
use crate::{shell, workspace};

/// Builds the module and records what it was built from.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "`cargo xtask wasm` takes no arguments");
    let folder = example_folder();
    let built = build(&folder)?;
    fs::copy(&built, folder.join(MODULE)).with_context(|| format!("cannot copy {}", built.display()))?;
    fs::write(folder.join(CHECKSUMS), checksums(&folder)?)?;
    println!("examples/host-logs/{MODULE}: {} bytes", fs::metadata(folder.join(MODULE))?.len());
    Ok(())
}

/// Refuses a module that was not built from the sources as they are now.
pub(crate) fn check_freshness() -> Result<()> {
    let folder = example_folder();
    let recorded =
        fs::read_to_string(folder.join(CHECKSUMS)).with_context(|| format!("cannot read {CHECKSUMS}"))?;
    let current = checksums(&folder)?;
    let changed = changed_lines(&recorded, &current);
    if changed.is_empty() {
        return Ok(());
    }
    bail!("{MODULE} does not belong to its sources ({}): run `cargo xtask wasm`", changed.join(", "))
}

pub(crate) fn example_folder() -> PathBuf {
    workspace::root().join("examples/host-logs")
}

/// Compiles the example for WASI preview 1 and returns where the module lies.
fn build(folder: &Path) -> Result<PathBuf> {
    let target_dir = workspace::target_dir().join("guests");
    let mut cargo = workspace::cargo();
    cargo.current_dir(folder).args([
        "build",
        "--release",
        "--locked",
        "--bin",
        "host-logs",
        "--target",
        TARGET,
    ]);
    cargo.arg("--target-dir").arg(&target_dir);
    StandardLibrary::find(TARGET)?.configure(&mut cargo, DEBIAN_FLAGS);
    shell::run(&mut cargo)?;
    Ok(target_dir.join(TARGET).join("release").join(MODULE))
}

/// One line per source file, then the module itself.
fn checksums(folder: &Path) -> Result<String> {
    let mut names = vec!["Cargo.lock".to_owned(), "Cargo.toml".to_owned()];
    list_files(folder, "src", &mut names)?;
    names.sort();
    names.push(MODULE.to_owned());
    let mut lines = String::new();
    for name in names {
        let content = fs::read(folder.join(&name)).with_context(|| format!("cannot read {name}"))?;
        writeln!(lines, "{:x}  {name}", Sha256::digest(&content))?;
    }
    Ok(lines)
}

fn list_files(folder: &Path, below: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let name = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list_files(folder, &name, names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// The files whose lines differ between two lists, or are in one of them only.
fn changed_lines<'a>(recorded: &'a str, current: &'a str) -> Vec<&'a str> {
    let missing_in =
        |one: &'a str, other: &'a str| one.lines().filter(move |line| !other.lines().any(|l| l == *line));
    let lines = missing_in(recorded, current).chain(missing_in(current, recorded));
    let mut names: Vec<&str> = lines.filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

const TARGET: &str = "wasm32-wasip1";
const MODULE: &str = "host-logs.wasm";
const CHECKSUMS: &str = "host-logs.wasm.src-sha256";

/// Debian's compiler has no linker and no libc of its own for WebAssembly; packages `lld` and `wasi-libc` have.
const DEBIAN_FLAGS: &[&str] = &[
    "-Clink-self-contained=no",
    "-Clinker=wasm-ld",
    "-L/usr/lib/wasm32-wasi",
    "-Clink-arg=/usr/lib/wasm32-wasi/crt1-command.o",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_difference_is_named_once() {
        let recorded = "aa  src/a.rs\nbb  src/b.rs\n";
        assert!(changed_lines(recorded, recorded).is_empty());
        assert_eq!(
            changed_lines(recorded, "aa  src/a.rs\ncc  src/b.rs\ndd  src/c.rs\n"),
            ["src/b.rs", "src/c.rs"]
        );
    }

    #[test]
    fn sources_below_subfolders_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/deep")).unwrap();
        for name in ["Cargo.lock", "Cargo.toml", "src/lib.rs", "src/deep/mod.rs", MODULE] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let listed = checksums(folder.path()).unwrap();
        let names: Vec<_> =
            listed.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
        assert_eq!(names, ["Cargo.lock", "Cargo.toml", "src/deep/mod.rs", "src/lib.rs", MODULE]);
    }
}
