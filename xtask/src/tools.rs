//! `.tools/`: programs that come from PyPI for the project's own use. Git ignores it, `cargo xtask setup` fills it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{shell, workspace};

/// The DuckDB command line, for the tests and the image of examples/duckdb-logs.
pub(crate) const DUCKDB: &str = "duckdb-cli==1.5.6";

/// The Python environment that holds them.
pub(crate) fn python_folder() -> PathBuf {
    workspace::root().join(".tools/python")
}

/// Runs `python` in the environment.
pub(crate) fn python() -> Command {
    Command::new(python_folder().join("bin/python"))
}

/// Installs packages into the environment, and makes it if need be.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let folder = python_folder();
    println!("Will install with pip into {}: {}", folder.display(), packages.join(" "));
    if !folder.join("bin/pip").is_file() {
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    shell::run(python().args(["-m", "pip", "install", "--quiet"]).args(packages))
}

/// The program itself, not the script that pip puts in front of it.
pub(crate) fn duckdb() -> Result<PathBuf> {
    let libraries = python_folder().join("lib");
    let found = std::fs::read_dir(&libraries).into_iter().flatten().flatten();
    let mut candidates = found.map(|python| python.path().join("site-packages/duckdb_cli/duckdb"));
    candidates.find(|path| path.is_file()).context("no DuckDB in .tools: run `cargo xtask setup`")
}
