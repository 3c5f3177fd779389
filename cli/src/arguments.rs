//! Arguments before they are parsed: habits of Bacalhau's own parser that ours does not share.

use clap::{Arg, ArgAction, Command};

/// Reads `--flag=true` and `--flag=false` of flags that otherwise take no value, which Go programs understand.
pub fn normalised(root: &Command, arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut command = root;
    let mut literal = false;
    let mut kept = Vec::new();
    for (index, argument) in arguments.into_iter().enumerate() {
        literal |= argument == "--";
        if literal || index == 0 {
            kept.push(argument);
            continue;
        }
        if let Some(child) = command.find_subcommand(&argument) {
            command = child;
        }
        match switch(root, command, &argument) {
            Some((flag, true)) => kept.push(flag),
            Some((_, false)) => {}
            None => kept.push(argument),
        }
    }
    kept
}

/// The command that was typed.
#[derive(Clone, Debug)]
pub struct Typed<'c> {
    /// The commands that were named, as in `bacalhau job list`.
    pub path: String,
    /// The last of them.
    pub command: &'c Command,
}

/// Lets `-1` be the value of every option that has one, so that who checks the value says what is wrong with it.
pub fn with_negative_values(command: Command) -> Command {
    let allow = |arg: Arg| {
        let has_value = arg.get_action().takes_values() && !arg.is_positional();
        if has_value { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(allow).mut_subcommands(with_negative_values)
}

/// The commands that were named, up to the first word that is none.
pub fn typed<'c>(root: &'c Command, arguments: &[String]) -> Typed<'c> {
    let mut command = root;
    let mut path = vec![root.get_name()];
    for argument in arguments.iter().skip(1) {
        let Some(child) = command.find_subcommand(argument) else {
            if argument.starts_with('-') {
                continue;
            }
            break;
        };
        command = child;
        path.push(child.get_name());
    }
    Typed { path: path.join(" "), command }
}

fn switch(root: &Command, command: &Command, argument: &str) -> Option<(String, bool)> {
    let (flag, value) = argument.strip_prefix("--")?.split_once('=')?;
    let value = crate::config::value::parse_bool(value)?;
    let is_switch = |command: &Command| {
        command.get_arguments().any(|arg| {
            let names = arg.get_long_and_visible_aliases().unwrap_or_default();
            names.contains(&flag) && matches!(arg.get_action(), ArgAction::SetTrue)
        })
    };
    (is_switch(command) || is_switch(root)).then(|| (format!("--{flag}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Cli;
    use clap::CommandFactory as _;

    fn texts(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(ToString::to_string).collect()
    }

    fn read(arguments: &[&str]) -> Vec<String> {
        normalised(&Cli::command(), texts(arguments))
    }

    #[test]
    fn switches_may_have_a_value() {
        assert_eq!(
            read(&["bacalhau", "job", "run", "--id-only=true", "x"]),
            ["bacalhau", "job", "run", "--id-only", "x"]
        );
        assert_eq!(
            read(&["bacalhau", "job", "run", "--dry-run=false", "x"]),
            ["bacalhau", "job", "run", "x"]
        );
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for arguments in [
            &["bacalhau", "job", "run", "--wait=false"][..],
            &["bacalhau", "docker", "run", "--name=true", "ubuntu"],
            &["bacalhau", "docker", "run", "ubuntu", "--", "x", "--dry-run=true"],
            &["bacalhau", "job", "run", "--dry-run=perhaps"],
        ] {
            assert_eq!(read(arguments), texts(arguments));
        }
    }

    #[test]
    fn the_path_ends_at_the_first_word_that_is_no_command() {
        let path = |arguments: &[&str]| typed(&Cli::command(), &texts(arguments)).path;
        assert_eq!(path(&["bacalhau", "job", "list", "x"]), "bacalhau job list");
        assert_eq!(path(&["bacalhau", "job", "lst"]), "bacalhau job");
        assert_eq!(path(&["bacalhau"]), "bacalhau");
    }
}
