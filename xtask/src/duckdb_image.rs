//! `cargo xtask duckdb-image`: an image with nothing but the DuckDB command line, made without a registry.
//!
//! The program comes from PyPI; the few libraries it needs are those of this machine, or of Debian's cross packages for
//! another CPU. The result is one file that `docker load` takes, here or on a device.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::{shell, tools, workspace};

/// Makes the image, and loads it where a Docker engine answers.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let folder = workspace::target_dir().join("duckdb-image").join(options.platform.name());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let root = folder.join("rootfs");
    options.platform.fill(&root, &folder)?;
    let image = pack(&options, &root, &folder)?;
    println!("{} ({}): {}", options.tag, options.platform.name(), image.display());
    let is_native = options.platform == Platform::host()?;
    let has_engine = Command::new("docker").args(["version"]).output().is_ok_and(|out| out.status.success());
    if is_native && has_engine {
        return shell::run(Command::new("docker").args(["load", "--input"]).arg(&image));
    }
    println!("On a device: docker load --input {}", image.file_name().unwrap_or_default().display());
    Ok(())
}

struct Options {
    tag: String,
    platform: Platform,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { tag: "duckdb:local".to_owned(), platform: Platform::host()? };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("`{word}` needs a value\n{USAGE}"))?;
            match word.as_str() {
                "--tag" => options.tag.clone_from(value),
                "--platform" => options.platform = Platform::parse(value)?,
                _ => bail!("unknown option `{word}`\n{USAGE}"),
            }
        }
        Ok(options)
    }
}

const USAGE: &str = "cargo xtask duckdb-image [--tag NAME:TAG] [--platform amd64|arm64]";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Platform {
    Amd64,
    Arm64,
}

impl Platform {
    fn host() -> Result<Self> {
        Self::parse(std::env::consts::ARCH)
    }

    fn parse(name: &str) -> Result<Self> {
        match name.trim_start_matches("linux/") {
            "amd64" | "x86_64" => Ok(Self::Amd64),
            "arm64" | "aarch64" => Ok(Self::Arm64),
            other => bail!("there is no DuckDB on PyPI for `{other}`: choose amd64 or arm64"),
        }
    }

    /// As images call it.
    fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As Python packages call it.
    fn wheel(self) -> &'static str {
        match self {
            Self::Amd64 => "manylinux2014_x86_64",
            Self::Arm64 => "manylinux2014_aarch64",
        }
    }

    /// Puts program and libraries below `root`; `scratch` may be used.
    fn fill(self, root: &Path, scratch: &Path) -> Result<()> {
        if self == Self::host()? {
            let program = tools::duckdb()?;
            install(&program, root, PROGRAM)?;
            for library in needed_here(&program)? {
                install(&library, root, &library.to_string_lossy())?;
            }
        } else {
            install(&self.download(scratch)?, root, PROGRAM)?;
            for (library, place) in self.foreign_libraries()? {
                install(&library, root, &place)?;
            }
        }
        fs::create_dir_all(root.join("tmp"))?;
        // For whatever user a task runs as.
        Ok(fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777))?)
    }

    fn download(self, scratch: &Path) -> Result<PathBuf> {
        let wheels = scratch.join("wheel");
        let mut pip = tools::python();
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]);
        shell::run(pip.args(["--platform", self.wheel(), tools::DUCKDB, "--dest"]).arg(&wheels))?;
        let wheel = fs::read_dir(&wheels)?.flatten().next().context("pip has brought nothing")?.path();
        shell::run(tools::python().args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&wheels))?;
        Ok(wheels.join("duckdb_cli/duckdb"))
    }

    /// Of Debian's cross packages; in the image they lie where the loader of any distribution looks.
    fn foreign_libraries(self) -> Result<Vec<(PathBuf, String)>> {
        let (folder, loader, loader_place) = match self {
            Self::Arm64 => {
                ("/usr/aarch64-linux-gnu/lib", "ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.1")
            }
            Self::Amd64 => {
                ("/usr/x86_64-linux-gnu/lib", "ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2")
            }
        };
        let folder = Path::new(folder);
        ensure!(
            folder.join(LIBRARIES[0]).exists(),
            "no libraries for {} in {}: on Debian, install libstdc++6-{0}-cross",
            self.name(),
            folder.display()
        );
        let libraries = LIBRARIES.iter().map(|name| (folder.join(name), format!("/lib/{name}")));
        Ok(libraries.chain([(folder.join(loader), loader_place.to_owned())]).collect())
    }
}

/// On the path of every image, since jobs start it by its name.
const PROGRAM: &str = "/usr/local/bin/duckdb";
const LIBRARIES: [&str; 6] =
    ["libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libc.so.6", "libpthread.so.0", "libdl.so.2"];

/// Copies a file to its place below `root`, links resolved.
fn install(file: &Path, root: &Path, place: &str) -> Result<()> {
    let to = root.join(place.trim_start_matches('/'));
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(file, &to).with_context(|| format!("cannot copy {}", file.display()))?;
    // What came out of an archive has lost it.
    Ok(fs::set_permissions(&to, Permissions::from_mode(0o755))?)
}

/// What the loader of this machine would load.
fn needed_here(program: &Path) -> Result<Vec<PathBuf>> {
    let listing = shell::read(Command::new("ldd").arg(program))?;
    ensure!(!listing.contains("not found"), "DuckDB lacks libraries on this machine:\n{listing}");
    let words = listing.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).collect())
}

/// Writes the archive that `docker load` takes: one layer, its description, and a list of both.
fn pack(options: &Options, root: &Path, folder: &Path) -> Result<PathBuf> {
    let layer = folder.join("layer.tar");
    shell::run(tar(root, &layer).arg("."))?;
    let digest = sha256(&fs::read(&layer)?);
    let name = options.platform.name();
    let config = format!(
        r#"{{"architecture":"{name}","os":"linux","config":{{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"],"Entrypoint":["duckdb"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}},"history":[{{"created_by":"cargo xtask duckdb-image"}}]}}"#
    );
    fs::write(folder.join("config.json"), config)?;
    let manifest =
        format!(r#"[{{"Config":"config.json","RepoTags":["{}"],"Layers":["layer.tar"]}}]"#, options.tag);
    fs::write(folder.join("manifest.json"), manifest)?;
    let image = folder.join(format!("duckdb-{name}.tar"));
    shell::run(tar(folder, &image).args(["manifest.json", "config.json", "layer.tar"]))?;
    fs::remove_file(layer)?;
    Ok(image)
}

/// The same files make the same archive on every machine.
fn tar(folder: &Path, archive: &Path) -> Command {
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(folder).args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.args(["--mtime=@0", "--create", "--file"]).arg(archive);
    tar
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options> {
        Options::parse(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_mistakes_are_told() {
        let read = options(&["--tag", "a:b", "--platform", "linux/arm64"]).unwrap();
        assert_eq!((read.tag.as_str(), read.platform), ("a:b", Platform::Arm64));
        assert_eq!(options(&[]).unwrap().tag, "duckdb:local");
        for (arguments, part) in [
            (&["--tag"][..], "needs a value"),
            (&["--tga", "x"], "unknown option"),
            (&["--platform", "riscv64"], "amd64 or arm64"),
        ] {
            let error = options(arguments).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_archive_describes_its_layer() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("rootfs");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a"), "x").unwrap();
        let image = pack(&options(&["--platform", "arm64"]).unwrap(), &root, folder.path()).unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        assert!(Command::new("tar").arg("-xf").arg(&image).arg("-C").arg(&out).status().unwrap().success());
        let digest = sha256(&fs::read(out.join("layer.tar")).unwrap());
        let config = fs::read_to_string(out.join("config.json")).unwrap();
        assert!(config.contains(&digest) && config.contains(r#""architecture":"arm64""#), "{config}");
        assert!(out.join("manifest.json").is_file());
    }
}
