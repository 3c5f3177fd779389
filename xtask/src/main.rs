//! The project's own commands, run as `cargo xtask <command>`. One file per command; see CONTRIBUTING.md.

mod bench;
mod clients;
mod demo;
mod dist;
mod duckdb_image;
mod elf;
mod licences;
mod setup;
mod shell;
mod toolchain;
mod tools;
mod verify;
mod wasm;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let (command, rest) =
        arguments.split_first().map_or(("help", arguments), |(first, rest)| (first.as_str(), rest));
    match command {
        "setup" => setup::run(rest),
        "test" => verify::run(rest),
        "demo" => demo::run(rest),
        "bench" => bench::run(rest),
        "wasm" => wasm::run(rest),
        "dist" => dist::run(rest),
        "duckdb-image" => duckdb_image::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        unknown => bail!("unknown command `{unknown}`\n\n{USAGE}"),
    }
}

const USAGE: &str = "\
cargo xtask COMMAND

  setup [GROUP …]    install the system packages that the other commands need; says which
  test               everything CI runs: formatting, lints, tests
  demo [AGENT …]     a control plane and three agents on this machine, an ops job over its logs
  bench [NAME …]     the measurements of docs/benchmarks.md; what follows `--` is for the bench
  wasm               build the example module examples/host-logs/host-logs.wasm
  dist --target T …  build the agent as one static binary per target, into dist/
  duckdb-image       the image of examples/duckdb-logs, made without a registry; --platform arm64, --tag NAME:TAG
";
