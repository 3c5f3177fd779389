//! Foreign programs that the system tests need: clients of the control plane (SDK, original command line, a tester of
//! APIs) and a server that speaks S3. All go into `.tools/`, which git ignores, under names with their versions.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{shell, tools, workspace};

/// What users of Python have, and a program that tries an API by its OpenAPI document.
const PYTHON_PACKAGES: [&str; 3] =
    ["bacalhau-sdk==1.4.2", "bacalhau_apiclient==1.4.1", "schemathesis==4.32.5"];
/// From here on a Go compiler fetches the newer one that a module asks for.
const SELF_UPDATING_GO: (u32, u32) = (1, 21);
/// What an older one is told to fetch.
const GO: &str = "1.24.4";

fn folder() -> PathBuf {
    workspace::root().join(".tools")
}

/// Written last, so that an installation that broke off is done again.
fn python_stamp() -> PathBuf {
    tools::python_folder().join("clients.txt")
}

pub(crate) fn has_python_clients() -> bool {
    fs::read_to_string(python_stamp()).is_ok_and(|found| found == PYTHON_PACKAGES.join("\n"))
}

pub(crate) fn install_python_clients() -> Result<()> {
    tools::install(&PYTHON_PACKAGES)?;
    fs::write(python_stamp(), PYTHON_PACKAGES.join("\n")).context("writing down what was installed")
}

/// A program that is compiled from the sources that the Go module proxy serves. The system tests name the same versions.
pub(crate) struct GoProgram {
    name: &'static str,
    version: &'static str,
    module: &'static str,
    /// Where in the module the program is.
    package: &'static str,
}

/// The original's command line.
pub(crate) const BACALHAU: GoProgram = GoProgram {
    name: "bacalhau",
    version: "1.9.3",
    module: "github.com/bacalhau-project/bacalhau",
    package: "github.com/bacalhau-project/bacalhau",
};

/// A server that speaks S3 and keeps objects as files of a directory.
pub(crate) const VERSITYGW: GoProgram = GoProgram {
    name: "versitygw",
    version: "1.8.0",
    module: "github.com/versity/versitygw",
    package: "github.com/versity/versitygw/cmd/versitygw",
};

impl GoProgram {
    fn place(&self) -> PathBuf {
        folder().join(format!("{}-{}", self.name, self.version))
    }

    pub(crate) fn is_there(&self) -> bool {
        self.place().is_file()
    }

    /// Takes minutes, once.
    pub(crate) fn build(&self) -> Result<()> {
        let Self { name, version, module, package } = self;
        let (target, folder) = (self.place(), folder().join(format!("{name}-build")));
        println!("Will compile {name} {version} into {} (this takes minutes)", target.display());
        fs::create_dir_all(&folder)?;
        let required = format!("module clients\n\ngo 1.24\n\nrequire {module} v{version}\n");
        fs::write(folder.join("go.mod"), required)?;
        let unfinished = folder.join(name);
        let mut go = Command::new(go_that_updates_itself()?);
        go.args(["build", "-trimpath", "-o"]).arg(&unfinished).arg(package).current_dir(&folder);
        shell::run(go.env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "auto").env("CGO_ENABLED", "0"))?;
        fs::rename(&unfinished, &target)?;
        fs::remove_dir_all(&folder).context("removing what the build left")
    }
}

/// The installed compiler, or the one it fetches: Debian 12 has one that is too old to do so by itself. Toolchains are
/// modules, but an old compiler does not know that some of their files are programs.
fn go_that_updates_itself() -> Result<PathBuf> {
    let installed = shell::read(Command::new("go").arg("version"))?;
    if go_version(&installed).is_some_and(|found| found >= SELF_UPDATING_GO) {
        return Ok("go".into());
    }
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let toolchain = format!("golang.org/toolchain@v0.0.1-go{GO}.linux-{architecture}");
    let mut download = Command::new("go");
    let downloaded = shell::read(download.args(["mod", "download", "-json"]).arg(toolchain))?;
    let line = downloaded.lines().find_map(|line| line.trim().strip_prefix("\"Dir\": \""));
    let folder = line.and_then(|rest| rest.strip_suffix("\",")).context("go does not say where it put it")?;
    let folder = PathBuf::from(folder);
    shell::run(
        Command::new("chmod").args(["-R", "u+wx"]).arg(folder.join("bin")).arg(folder.join("pkg/tool")),
    )?;
    Ok(folder.join("bin/go"))
}

/// Reads `go version go1.24.4 linux/amd64`.
fn go_version(text: &str) -> Option<(u32, u32)> {
    let numbers = text.split_whitespace().nth(2)?.strip_prefix("go")?;
    let mut parts = numbers.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_read() {
        assert_eq!(go_version("go version go1.24.4 linux/amd64"), Some((1, 24)));
        assert_eq!(go_version("go version devel"), None);
    }
}
