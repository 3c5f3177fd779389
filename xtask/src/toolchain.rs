//! Building for a target other than this machine, with or without rustup.
//!
//! `rustup target add` downloads a ready-made standard library. Where that host cannot be reached, Debian's `rustc-web`
//! brings a compiler together with the library's sources, and cargo builds the library itself (`-Zbuild-std`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{shell, workspace};

/// Where the standard library for a target comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardLibrary {
    /// Installed by rustup.
    Installed,
    /// Built from Debian's sources with Debian's compiler.
    FromSource,
}

impl StandardLibrary {
    /// Finds a way to build for `target`, preferring rustup's.
    pub(crate) fn find(target: &str) -> Result<Self> {
        if rustup_has(target) {
            return Ok(Self::Installed);
        }
        if has_debian_rust() {
            return Ok(Self::FromSource);
        }
        bail!(
            "no standard library for {target}: run `rustup target add {target}`, or on Debian \
             `cargo xtask setup debian-rust`"
        );
    }

    /// Adds to a `cargo build` what this source needs; `own_flags` go to the compiler when the library is built from
    /// source. Paths of this machine are kept out of what is built, so that any machine builds the same.
    pub(crate) fn configure(self, cargo: &mut Command, own_flags: &[&str]) {
        let mut flags = path_remappings();
        if self == Self::FromSource {
            flags.extend(own_flags.iter().map(|flag| (*flag).to_owned()));
            cargo.args(["-Zbuild-std=std,panic_abort"]);
            cargo.env("RUSTC", DEBIAN_COMPILER).env("RUSTC_BOOTSTRAP", "1");
        }
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    }
}

/// Panic messages name source files: those of this repository relative to it, those of others by crate.
fn path_remappings() -> Vec<String> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home).unwrap_or_default();
    let registries = std::fs::read_dir(cargo_home.join("registry/src")).into_iter().flatten().flatten();
    let crates = registries.map(|registry| (registry.path(), "crates"));
    let all = crates.chain([(workspace::root(), "bacalhau")]);
    all.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).collect()
}

/// The private Python environment that holds zig (C compiler, linker and musl in one) and cargo-zigbuild.
pub(crate) fn zig_folder() -> PathBuf {
    workspace::root().join(".zig")
}

/// Whether `setup debian-rust` has been run, or its packages are there anyway.
pub(crate) fn has_debian_rust() -> bool {
    Path::new(DEBIAN_COMPILER).is_file() && Path::new(DEBIAN_SOURCES).is_dir()
}

fn rustup_has(target: &str) -> bool {
    let Ok(sysroot) = shell::read(Command::new("rustc").args(["--print", "sysroot"])) else { return false };
    Path::new(&sysroot).join("lib/rustlib").join(target).join("lib").is_dir()
}

const DEBIAN_COMPILER: &str = "/usr/bin/rustc";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library";
