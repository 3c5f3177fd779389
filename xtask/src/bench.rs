//! `cargo xtask bench`: the measurements of docs/benchmarks.md.

use anyhow::Result;

use crate::{shell, workspace};

/// Runs the named benches one after the other, optimised; without names all of them. What follows `--` is for the
/// benches themselves.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let is_end = |argument: &String| argument == "--";
    let (names, rest) = match arguments.iter().position(is_end) {
        Some(end) => (&arguments[..end], &arguments[end..]),
        None => (arguments, &[][..]),
    };
    build_agent()?;
    let mut cargo = workspace::cargo();
    cargo.args(["bench", "--workspace", "--locked"]);
    let all = ["*".to_owned()];
    for name in if names.is_empty() { &all } else { names } {
        cargo.args(["--bench", name]);
    }
    shell::run(cargo.args(rest))
}

/// The program whose idleness `system` measures. On its own, so that it is not built with what other crates ask of it.
fn build_agent() -> Result<()> {
    shell::run(workspace::cargo().args(["build", "--release", "--locked", "--package", "bacalhau-agent"]))
}
