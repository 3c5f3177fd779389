//! `cargo xtask bench`: the measurements of docs/benchmarks.md.

use anyhow::Result;

use crate::{shell, workspace};

/// Runs all benches, optimised; arguments select some by name.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["bench", "--workspace", "--benches"]);
    if !arguments.is_empty() {
        cargo.arg("--").args(arguments);
    }
    shell::run(&mut cargo)
}
