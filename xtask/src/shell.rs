//! Running other programs, with errors a person can act on.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Runs `command` in view of the user; an exit code other than 0 is an error that names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().with_context(|| cannot_start(command))?;
    ensure!(status.success(), "`{}` failed ({status})", describe(command));
    Ok(())
}

/// Like [`run`], passing standard output on line by line and returning the lines that `wanted` picks.
pub(crate) fn run_and_pick(command: &mut Command, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let Some(stdout) = child.stdout.take() else { bail!("no pipe to `{}`", describe(command)) };
    let mut picked = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        if wanted(&line) {
            picked.push(line);
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}` failed ({status})", describe(command));
    Ok(picked)
}

/// What `command` prints on standard output, without the final newline. Its exit code must be 0.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    ensure!(output.status.success(), "`{}` failed ({})", describe(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Whether `program` is somewhere on the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The command as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn announce(command: &Command) {
    eprintln!("$ {}", describe(command));
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().to_string_lossy())
}
