//! `cargo xtask test`: everything CI runs, and nothing else does. Installs nothing.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{licences, shell, wasm, workspace};

/// Runs all steps, quick ones first, and stops at the first that fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    ensure!(
        arguments.is_empty(),
        "`cargo xtask test` takes no arguments; use `cargo test` to run a selection"
    );
    let mut closing_lines = Vec::new();
    for (index, step) in STEPS.iter().enumerate() {
        eprintln!("\n[{}/{}] {}", index + 1, STEPS.len(), step.name);
        closing_lines.extend((step.run)().with_context(|| format!("{} failed. {}", step.name, step.advice))?);
    }
    println!("\nAll {} steps passed. The test runners' closing lines:", STEPS.len());
    for line in closing_lines {
        println!("{line}");
    }
    Ok(())
}

struct Step {
    name: &'static str,
    /// What to do when it fails, for somebody who sees this repository for the first time.
    advice: &'static str,
    /// Returns the lines to repeat at the end.
    run: fn() -> Result<Vec<String>>,
}

const STEPS: &[Step] = &[
    Step {
        name: "Formatting",
        advice: "Run `cargo fmt`, and in examples/host-logs too.",
        run: || {
            passed(workspace::cargo().args(["fmt", "--all", "--check"]))?;
            passed(example_cargo().args(["fmt", "--check"]))
        },
    },
    Step {
        name: "The committed WebAssembly module",
        advice: "The error above names the files that changed.",
        run: || wasm::check_freshness().map(|()| Vec::new()),
    },
    Step {
        name: "Licences of dependencies",
        advice: "Replace the package, or argue for its licence in xtask/src/licences.rs.",
        run: || licences::check().map(|()| Vec::new()),
    },
    Step {
        name: "Lints",
        advice: "The compiler's messages above name file, line and rule; a waiver needs a reason, see CONTRIBUTING.md.",
        run: || {
            passed(workspace::cargo().args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-Dwarnings",
            ]))?;
            passed(example_cargo().args(["clippy", "--all-targets", "--locked", "--", "-Dwarnings"]))
        },
    },
    Step {
        name: "Tests of the example",
        advice: "Run `cargo test` in examples/host-logs to see it alone.",
        run: || test(example_cargo().args(["test", "--locked"])),
    },
    Step {
        name: "Tests of the workspace",
        advice: "Run `cargo test -p CRATE NAME` to repeat a single one; failing tests print their seed where they use one.",
        run: || test(workspace::cargo().args(["test", "--workspace", "--locked"])),
    },
];

fn passed(command: &mut Command) -> Result<Vec<String>> {
    shell::run(command).map(|()| Vec::new())
}

/// Runs a test command and keeps the lines in which the runners sum up, leaving out those of empty test binaries.
fn test(command: &mut Command) -> Result<Vec<String>> {
    shell::run_and_pick(command, |line| {
        line.starts_with("test result:") && !line.contains(" 0 passed; 0 failed;")
    })
}

/// The example is a workspace of its own, but need not compile its dependencies in a folder of its own.
fn example_cargo() -> Command {
    let mut cargo = workspace::cargo();
    cargo.current_dir(wasm::example_folder()).env("CARGO_TARGET_DIR", workspace::target_dir());
    cargo
}
