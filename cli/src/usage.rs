//! Arguments that cannot be understood: what was wrong on one line, what to do on the next. The sentences are those that
//! users of Bacalhau know, where it has one.

use bacalhau_protocol::spec::closest;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::Advised;

/// Puts the parser's complaint into our words. `command` is what was typed so far, as in `bacalhau job list`.
pub fn explained(error: &clap::Error, command: &str) -> Advised {
    let see_help = format!("run `{command} --help` to see what it understands");
    let argument = text(error, ContextKind::InvalidArg).map(|text| first_word(&text).to_owned());
    let value = text(error, ContextKind::InvalidValue);
    match (error.kind(), argument, value) {
        (ErrorKind::InvalidSubcommand, ..) => {
            let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let message = format!("unknown command {word:?} for {command:?}");
            let near = || suggestion(error, ContextKind::SuggestedSubcommand);
            let hint = successor(command, &word).map(str::to_owned).or_else(near).unwrap_or(see_help);
            Advised::new(message, hint)
        }
        (ErrorKind::UnknownArgument, Some(argument), _) => unknown(error, &argument, command, see_help),
        (ErrorKind::InvalidValue, Some(argument), value) => match value.filter(|value| !value.is_empty()) {
            None => Advised::new(format!("flag needs an argument: {argument}"), see_help),
            Some(value) => {
                let message =
                    format!("invalid argument {value:?} for {}: {}", place(&argument), expected(error));
                Advised::new(message, suggestion(error, ContextKind::SuggestedValue).unwrap_or(see_help))
            }
        },
        (ErrorKind::ValueValidation, Some(argument), value) => {
            let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            let value = value.unwrap_or_default();
            Advised::new(format!("invalid argument {value:?} for {}: {reason}", place(&argument)), see_help)
        }
        (ErrorKind::MissingRequiredArgument, ..) => {
            let missing = texts(error, ContextKind::InvalidArg).join(" ");
            Advised::new(format!("missing argument: {missing}"), usage(error).unwrap_or(see_help))
        }
        (ErrorKind::ArgumentConflict, Some(argument), _) => {
            let others: Vec<String> = texts(error, ContextKind::PriorArg);
            let others: Vec<&str> = others.iter().map(|other| first_word(other)).collect();
            match others[..] == [argument.as_str()] {
                true => Advised::new(format!("{argument} is given more than once"), "give it once"),
                false => Advised::new(
                    format!("{argument} and {} exclude each other", others.join(", ")),
                    "use one of them",
                ),
            }
        }
        _ => Advised::new(plain(error), see_help),
    }
}

fn unknown(error: &clap::Error, argument: &str, command: &str, see_help: String) -> Advised {
    let message = match argument.strip_prefix("--") {
        Some(_) => format!("unknown flag: {argument}"),
        None if argument.starts_with('-') => {
            let letter = argument.chars().nth(1).unwrap_or('-');
            format!("unknown shorthand flag: '{letter}' in {argument}")
        }
        None => format!("unexpected argument {argument:?} for {command:?}"),
    };
    let hint = suggestion(error, ContextKind::SuggestedArg).unwrap_or_else(|| {
        let has_program = command.ends_with(" run") || command.ends_with(" exec");
        if has_program && argument.starts_with('-') {
            format!("to hand {argument} to the program, put -- in front of the program's own arguments; {see_help}")
        } else {
            see_help
        }
    });
    Advised::new(message, hint)
}

/// A flag that begins with a dash of a word processor, which would pass for an argument.
pub fn typographic(arguments: &[String]) -> Option<Advised> {
    let typed = arguments.iter().take_while(|argument| *argument != "--");
    typed.into_iter().find_map(|argument| {
        let rest = argument.strip_prefix(['\u{2013}', '\u{2014}'])?;
        let is_flag = rest.starts_with(|c: char| c.is_ascii_lowercase());
        let message = || format!("{argument:?} begins with a dash that is no hyphen");
        is_flag.then(|| Advised::new(message(), format!("did you mean --{rest}?")))
    })
}

/// The parser thinks of words that nobody would have meant.
fn suggestion(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let typed = [ContextKind::InvalidValue, ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    let typed = typed.into_iter().find_map(|kind| text(error, kind))?;
    let near = texts(error, kind);
    let near: Vec<&str> = near.iter().map(String::as_str).collect();
    closest(first_word(&typed), &near).map(|near| format!("did you mean {near}?"))
}

fn expected(error: &clap::Error) -> String {
    match &texts(error, ContextKind::ValidValue)[..] {
        [] => "it is not understood".to_owned(),
        words => format!("expected one of {}", words.join(", ")),
    }
}

fn usage(error: &clap::Error) -> Option<String> {
    let usage = text(error, ContextKind::Usage)?;
    Some(usage.trim().replacen("Usage: ", "usage: ", 1).replace('\n', " "))
}

/// `--count <COUNT>` is `"--count" flag`, and `<SHELL>` is itself.
fn place(argument: &str) -> String {
    match first_word(argument) {
        flag if flag.starts_with('-') => format!("{flag:?} flag"),
        positional => positional.to_owned(),
    }
}

/// `--wait[=<BOOL>]` begins with `--wait`.
fn first_word(text: &str) -> &str {
    let end = text.strip_prefix('-').and_then(|rest| rest.find([' ', '=', '[']).map(|end| end + 1));
    &text[..end.or_else(|| text.find(' ')).unwrap_or(text.len())]
}

/// What to write instead of commands that Bacalhau once had, or that people take it to have.
fn successor(command: &str, word: &str) -> Option<&'static str> {
    Some(match (command, word) {
        ("bacalhau config", "auto-resources") => {
            "a node finds out what it has; how much of that jobs get is a share, as in -c Compute.AllocatedCapacity.CPU=80%"
        }
        ("bacalhau job", "delete" | "cancel") => {
            "`bacalhau job stop` ends a job; ended jobs are forgotten by and by"
        }
        ("bacalhau job", "diff") => "`bacalhau job run --dry-run` shows what would change",
        ("bacalhau job", "submit" | "create") => "`bacalhau job run` submits a job",
        ("bacalhau", "run") => {
            "`bacalhau docker run`, `bacalhau wasm run` or `bacalhau job run` runs something"
        }
        ("bacalhau", "ps") => "`bacalhau job list` lists jobs",
        _ => return None,
    })
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    error.get(kind).map(ToString::to_string)
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// The parser's own first sentence.
fn plain(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let sentence = text.split("\n\n").next().unwrap_or_default().trim();
    sentence.strip_prefix("error: ").unwrap_or(sentence).to_owned()
}
