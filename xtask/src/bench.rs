//! `cargo xtask bench`: the measurements of docs/benchmarks.md.

use anyhow::Result;

use crate::{shell, workspace};

/// Runs the named benches one after the other, optimised; without names all of them.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let all = ["*".to_owned()];
    let names = if arguments.is_empty() { &all } else { arguments };
    let mut cargo = workspace::cargo();
    cargo.args(["bench", "--workspace", "--locked"]);
    for name in names {
        cargo.args(["--bench", name]);
    }
    shell::run(&mut cargo)
}
