//! `cargo xtask setup`: the system packages that other commands need. Nothing else in this repository installs any.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::clients::{self, BACALHAU, VERSITYGW};
use crate::{shell, toolchain, tools, workspace};

/// Installs what the named groups need and is not there yet; without names, the group `test`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let groups = select(arguments)?;
    for group in &groups {
        println!("{}: {}", group.name, group.purpose);
    }
    let needed = groups.iter().flat_map(|group| group.requirements);
    let missing: Vec<&Requirement> = needed.filter(|requirement| !(requirement.is_met)()).collect();
    if missing.is_empty() {
        println!("Nothing to install: everything is there.");
        return Ok(());
    }
    for requirement in &missing {
        println!("  missing: {}", requirement.what);
    }
    install_packages(&missing)?;
    for requirement in missing {
        match requirement.means {
            Means::DebianPackages(_) => {}
            Means::RustupComponents => {
                shell::run(Command::new("rustup").args(["component", "add"]).args(COMPONENTS))?
            }
            Means::Tools(packages) => tools::install(packages)?,
            Means::Steps(steps) => steps()?,
        }
    }
    Ok(())
}

struct Group {
    name: &'static str,
    purpose: &'static str,
    requirements: &'static [Requirement],
}

struct Requirement {
    what: &'static str,
    is_met: fn() -> bool,
    means: Means,
}

/// How a requirement is met.
enum Means {
    DebianPackages(&'static [&'static str]),
    /// Rust's own tools; a minimal installation comes without them.
    RustupComponents,
    /// From PyPI into `.tools/`, which git ignores.
    Tools(&'static [&'static str]),
    /// Something of this repository's own, into a folder that git ignores.
    Steps(fn() -> Result<()>),
}

fn select(names: &[String]) -> Result<Vec<&'static Group>> {
    if names.is_empty() {
        return Ok(vec![&GROUPS[0]]);
    }
    names.iter().map(|name| find(name)).collect()
}

fn find(name: &str) -> Result<&'static Group> {
    let known = || GROUPS.iter().map(|group| group.name).collect::<Vec<_>>().join(", ");
    match GROUPS.iter().find(|group| group.name == name) {
        Some(group) => Ok(group),
        None => bail!("no group `{name}`: choose from {}", known()),
    }
}

fn install_packages(missing: &[&Requirement]) -> Result<()> {
    let mut packages: Vec<&str> = Vec::new();
    for requirement in missing {
        if let Means::DebianPackages(names) = requirement.means {
            packages.extend(names);
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    println!("Will install with apt-get: {}", packages.join(" "));
    if !shell::is_installed("apt-get") {
        bail!(
            "this is no Debian or Ubuntu: please install the equivalents of {} yourself",
            packages.join(", ")
        );
    }
    shell::run(as_root().args(["apt-get", "update", "-qq"]))?;
    shell::run(as_root().args(["apt-get", "install", "-y", "--no-install-recommends"]).args(&packages))
}

/// `env` when we are root already, else `sudo`; either takes the command as its arguments.
fn as_root() -> Command {
    let is_root = shell::read(Command::new("id").arg("-u")).is_ok_and(|user| user == "0");
    Command::new(if is_root { "env" } else { "sudo" })
}

fn install_zig() -> Result<()> {
    let folder = toolchain::zig_folder();
    println!("Will install with pip into {}: {}", folder.display(), PYTHON_PACKAGES.join(" "));
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder).current_dir(workspace::root()))?;
    shell::run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(PYTHON_PACKAGES))
}

/// Whether cargo can start the tool: rustup leaves a proxy where the tool itself is missing.
fn cargo_has(component: &str) -> bool {
    let command = component.strip_prefix("rust").unwrap_or(component);
    let output = workspace::cargo().args([command, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn python_can_make_environments() -> bool {
    let mut python = Command::new("python3");
    shell::is_installed("python3")
        && python.args(["-c", "import ensurepip"]).status().is_ok_and(|s| s.success())
}

/// What is meant when none is named comes first.
const GROUPS: [Group; 4] = [
    Group {
        name: "test",
        purpose: "everything `cargo xtask test` and `cargo xtask demo` use",
        requirements: &[
            Requirement {
                what: "a C compiler and make, for the cryptography, the embedded store and the allocator",
                is_met: || shell::is_installed("cc") && shell::is_installed("make"),
                means: Means::DebianPackages(&["gcc", "libc6-dev", "make"]),
            },
            Requirement {
                what: "rustfmt and clippy",
                is_met: || COMPONENTS.iter().all(|component| cargo_has(component)),
                means: Means::RustupComponents,
            },
            PYTHON,
            Requirement {
                what: "the DuckDB command line",
                is_met: || tools::duckdb().is_ok(),
                means: Means::Tools(&[tools::DUCKDB]),
            },
            Requirement {
                what: "Bacalhau's SDK for Python, and schemathesis",
                is_met: clients::has_python_clients,
                means: Means::Steps(clients::install_python_clients),
            },
            Requirement {
                what: "a Go compiler, for Bacalhau's own command line and for a server that speaks S3",
                is_met: || BACALHAU.is_there() && VERSITYGW.is_there() || shell::is_installed("go"),
                means: Means::DebianPackages(&["golang-go", "ca-certificates"]),
            },
            Requirement {
                what: "Bacalhau's own command line",
                is_met: || BACALHAU.is_there(),
                means: Means::Steps(|| BACALHAU.build()),
            },
            Requirement {
                what: "versitygw, a server that speaks S3",
                is_met: || VERSITYGW.is_there(),
                means: Means::Steps(|| VERSITYGW.build()),
            },
            Requirement {
                what: "a Docker engine, an image's content and a registry, for the tests of containers; the tests start \
                       them on their own and as root",
                is_met: || {
                    ["dockerd", "docker", "iptables", "docker-registry"]
                        .iter()
                        .all(|p| shell::is_installed(p))
                        && shell::is_installed("busybox")
                },
                means: Means::DebianPackages(&["docker.io", "iptables", "busybox-static", "docker-registry"]),
            },
        ],
    },
    Group {
        name: "cross",
        purpose: "the cross compiler and linker of `cargo xtask dist`",
        requirements: &[
            PYTHON,
            Requirement {
                what: "zig and cargo-zigbuild",
                is_met: || toolchain::zig_folder().join("bin/cargo-zigbuild").is_file(),
                means: Means::Steps(install_zig),
            },
        ],
    },
    Group {
        name: "debian-rust",
        purpose: "standard libraries for `cargo xtask dist` and `wasm`, where rustup cannot add targets",
        requirements: &[
            Requirement {
                what: "Debian's newer Rust compiler with the sources of the standard library",
                is_met: toolchain::has_debian_rust,
                means: Means::DebianPackages(&["rustc-web", "rust-web-src", "libstd-rust-web-dev"]),
            },
            Requirement {
                what: "a linker for WebAssembly",
                is_met: || shell::is_installed("wasm-ld"),
                means: Means::DebianPackages(&["lld"]),
            },
            Requirement {
                what: "the C library for WebAssembly guests",
                is_met: || Path::new("/usr/lib/wasm32-wasi/crt1-command.o").is_file(),
                means: Means::DebianPackages(&["wasi-libc"]),
            },
        ],
    },
    Group {
        name: "duckdb-arm64",
        purpose: "libraries for `cargo xtask duckdb-image --platform arm64` on a machine with another CPU",
        requirements: &[Requirement {
            what: "the C and C++ libraries for arm64",
            is_met: || Path::new("/usr/aarch64-linux-gnu/lib/libstdc++.so.6").exists(),
            means: Means::DebianPackages(&["libstdc++6-arm64-cross"]),
        }],
    },
];

const PYTHON: Requirement = Requirement {
    what: "Python with virtual environments",
    is_met: python_can_make_environments,
    means: Means::DebianPackages(&["python3", "python3-venv"]),
};

const COMPONENTS: [&str; 2] = ["rustfmt", "clippy"];
const PYTHON_PACKAGES: [&str; 2] = ["ziglang", "cargo-zigbuild"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_only_the_tests_are_prepared() {
        let names: Vec<_> = select(&[]).unwrap().iter().map(|group| group.name).collect();
        assert_eq!(names, ["test"]);
    }

    #[test]
    fn an_unknown_group_is_answered_with_the_known_ones() {
        let error = select(&["docker".to_owned()]).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("no group `docker`: choose from test, cross, debian-rust, duckdb-arm64")
        );
    }
}
