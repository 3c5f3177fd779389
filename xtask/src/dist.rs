//! `cargo xtask dist`: the agent as one static binary per device target.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::toolchain::{self, StandardLibrary};
use crate::{elf, shell, workspace};

/// Builds every target named by `--target`; the binaries land in `dist/<target>/`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    for target in parse(arguments)? {
        let binary = build(target)?;
        println!("{}", check(target, &binary)?);
    }
    Ok(())
}

/// One line of `cross/targets.txt`.
#[derive(Clone, Copy, Debug)]
struct Target {
    triple: &'static str,
    machine: &'static str,
}

fn known_targets() -> impl Iterator<Item = Target> {
    let lines = include_str!("../../cross/targets.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Target { triple: words.next()?, machine: words.next()? })
    })
}

fn parse(arguments: &[String]) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let triple = match word.strip_prefix("--target") {
            Some("") => words.next().context("--target needs a target triple")?,
            Some(value) if value.starts_with('=') => &value[1..],
            _ => bail!("unexpected `{word}`: usage is `cargo xtask dist --target T …`"),
        };
        targets.push(find(triple)?);
    }
    ensure!(!targets.is_empty(), "no target given: add `--target T`, one of {}", triples());
    Ok(targets)
}

fn find(triple: &str) -> Result<Target> {
    let found = known_targets().find(|target| target.triple == triple);
    found.with_context(|| format!("unknown target `{triple}`: choose one of {}", triples()))
}

fn triples() -> String {
    known_targets().map(|target| target.triple).collect::<Vec<_>>().join(", ")
}

/// Compiles the agent and copies it to `dist/`. Cranelift stays out: devices run artifacts compiled elsewhere.
fn build(target: Target) -> Result<PathBuf> {
    let zig = toolchain::zig_folder().join("bin");
    ensure!(
        zig.join("cargo-zigbuild").is_file(),
        "no cross linker in .zig/: run `cargo xtask setup cross` first"
    );
    let mut cargo = workspace::cargo();
    cargo.args(["zigbuild", "--profile", "dist", "--package", "bacalhau-agent", "--bin", "bacalhau-agent"]);
    cargo.args(["--no-default-features", "--features", "docker,s3", "--target", target.triple]);
    cargo.env("PATH", with_first(&zig)?);
    let library = StandardLibrary::find(target.triple)?;
    library.configure(&mut cargo, &["-Clink-self-contained=no", "-Ctarget-feature=+crt-static"]);
    shell::run(&mut cargo)?;

    let built = workspace::target_dir().join(target.triple).join("dist/bacalhau-agent");
    let folder = workspace::root().join("dist").join(target.triple);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let binary = folder.join("bacalhau-agent");
    std::fs::copy(&built, &binary).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(binary)
}

/// Refuses a binary that would not start on a bare device; else says how large it is.
fn check(target: Target, binary: &Path) -> Result<String> {
    let file = std::fs::read(binary)?;
    let summary = elf::summarise(&file).with_context(|| format!("{} is unusable", binary.display()))?;
    ensure!(
        summary.machine.name() == target.machine,
        "{} is built for {}",
        target.triple,
        summary.machine.name()
    );
    ensure!(summary.is_static, "{} wants a dynamic loader; it must be static", binary.display());
    let place = binary.strip_prefix(workspace::root()).unwrap_or(binary);
    let (bits, machine) = (summary.bits, target.machine);
    Ok(format!("{}: {}, ELF {bits}-bit {machine}, statically linked", place.display(), megabytes(file.len())))
}

/// Bytes as decimal megabytes with two digits, rounded down.
fn megabytes(bytes: usize) -> String {
    format!("{}.{:02} MB", bytes / 1_000_000, bytes % 1_000_000 / 10_000)
}

fn with_first(folder: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn both_spellings_of_an_option_are_read() {
        let targets =
            parse(&words("--target aarch64-unknown-linux-musl --target=x86_64-unknown-linux-musl")).unwrap();
        let triples: Vec<_> = targets.iter().map(|target| target.triple).collect();
        assert_eq!(triples, ["aarch64-unknown-linux-musl", "x86_64-unknown-linux-musl"]);
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        for (arguments, part) in [
            ("", "add `--target T`"),
            ("--target", "needs a target triple"),
            ("--target z80", "choose one of aarch64-"),
            ("fast", "unexpected `fast`"),
        ] {
            let error = parse(&words(arguments)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn every_target_names_a_machine_that_the_check_knows() {
        let machines =
            [elf::Machine::Aarch64, elf::Machine::Arm, elf::Machine::Riscv64, elf::Machine::X86_64];
        for target in known_targets() {
            assert!(machines.iter().any(|machine| machine.name() == target.machine), "{target:?}");
        }
    }

    #[test]
    fn sizes_are_rounded_down() {
        assert_eq!(megabytes(8_777_999), "8.77 MB");
    }
}
