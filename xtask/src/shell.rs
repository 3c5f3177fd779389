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

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn wanted_lines_are_returned_in_order() {
        let lines = run_and_pick(&mut sh("echo a1; echo b; echo a2"), |line| line.starts_with('a')).unwrap();
        assert_eq!(lines, ["a1", "a2"]);
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let run_error = run(&mut sh("exit 3")).unwrap_err().to_string();
        assert!(run_error.contains("`sh -c exit 3` failed") && run_error.contains('3'), "{run_error}");
        assert!(run_and_pick(&mut sh("echo a; exit 1"), |_| true).is_err());
        assert!(read(&mut sh("exit 1")).is_err());
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program`");
    }

    #[test]
    fn what_a_command_prints_is_read_without_its_last_newline() {
        assert_eq!(read(&mut sh("printf 'a\\nb\\n'")).unwrap(), "a\nb");
    }
}
