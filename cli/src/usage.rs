//! Arguments that cannot be understood: what was wrong on one line, what to do on the next. The sentences are those that
//! users of Bacalhau know, where it has one.

use std::num::ParseIntError;

use bacalhau_protocol::spec::closest;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::arguments::Typed;
use crate::error::Advised;

/// Puts the parser's complaint about a command into our words.
pub fn explained(error: &clap::Error, typed: &Typed<'_>) -> Advised {
    let Typed { path, command } = typed;
    let see_help = format!("run `{path} --help` to see what it understands");
    let argument = text(error, ContextKind::InvalidArg).map(|text| first_word(&text).to_owned());
    let value = text(error, ContextKind::InvalidValue);
    match (error.kind(), argument, value) {
        (ErrorKind::InvalidSubcommand, ..) => {
            let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let hint = successor(path, &word).map(str::to_owned).or_else(|| near_command(command, &word));
            Advised::new(unknown_command(&word, path), hint.unwrap_or(see_help))
        }
        (ErrorKind::UnknownArgument, Some(argument), _) => unknown(error, &argument, typed, see_help),
        (ErrorKind::InvalidValue, Some(argument), value) => match value.filter(|value| !value.is_empty()) {
            None => Advised::new(format!("flag needs an argument: {argument}"), see_help),
            Some(value) => {
                let place = place(command, &argument);
                let message = format!("invalid argument {value:?} for {place}: {}", expected(error));
                Advised::new(message, suggestion(error, ContextKind::SuggestedValue).unwrap_or(see_help))
            }
        },
        (ErrorKind::ValueValidation, Some(argument), value) => {
            unreadable(error, &value.unwrap_or_default(), &place(command, &argument), see_help)
        }
        (ErrorKind::MissingRequiredArgument, ..) => {
            let missing = texts(error, ContextKind::InvalidArg);
            let places = Places::of(command);
            let message = match missing.iter().any(|name| name.starts_with('-')) {
                true => format!("missing argument: {}", missing.join(" ")),
                false => places.are_not(places.least.saturating_sub(missing.len())),
            };
            Advised::new(message, usage(error).unwrap_or(see_help))
        }
        (ErrorKind::ArgumentConflict, Some(argument), _) => {
            conflict(command, &argument, &texts(error, ContextKind::PriorArg))
        }
        _ => Advised::new(plain(error), see_help),
    }
}

/// A value that its flag does not understand. What is no number is told as Bacalhau tells it.
fn unreadable(error: &clap::Error, value: &str, place: &str, see_help: String) -> Advised {
    let source = std::error::Error::source(error);
    let (reason, hint) = match source.and_then(|source| source.downcast_ref::<ParseIntError>()) {
        Some(_) => {
            let is_negative = value.strip_prefix('-').is_some_and(|rest| rest.parse::<u64>().is_ok());
            let bound = if is_negative { ", 0 or more" } else { "" };
            let reason = format!("strconv.ParseInt: parsing {value:?}: invalid syntax");
            (reason, format!("expected a whole number{bound}; {see_help}"))
        }
        None => (source.map(ToString::to_string).unwrap_or_default(), see_help),
    };
    Advised::new(format!("invalid argument {value:?} for {place}: {reason}"), hint)
}

/// Arguments that exclude each other, or one that was given twice.
fn conflict(command: &Command, argument: &str, others: &[String]) -> Advised {
    let others: Vec<&str> = others.iter().map(|other| first_word(other)).collect();
    if others == [argument] {
        return Advised::new(format!("{argument} is given more than once"), "give it once");
    }
    let mut set: Vec<&str> = others.iter().copied().chain([argument]).collect();
    let mut group: Vec<&str> = set.iter().filter_map(|flag| flag.strip_prefix("--")).collect();
    if group.len() < set.len() {
        set.sort_unstable();
        return Advised::new(format!("{} exclude each other", set.join(" and ")), "use one of them");
    }
    let declared = |name: &&str| command.get_arguments().position(|arg| arg.get_long() == Some(name));
    group.sort_by_key(declared);
    let mut sorted = group.clone();
    sorted.sort_unstable();
    let (group, sorted) = (group.join(" "), sorted.join(" "));
    let message = format!(
        "if any flags in the group [{group}] are set none of the others can be; [{sorted}] were all set"
    );
    Advised::new(message, "use one of them")
}

/// How many words may stand behind a command.
struct Places {
    least: usize,
    /// `None` for any number.
    most: Option<usize>,
}

impl Places {
    fn of(command: &Command) -> Self {
        let (mut least, mut most) = (0, Some(0));
        for place in command.get_positionals() {
            least += usize::from(place.is_required_set());
            let is_list = place.get_num_args().is_some_and(|count| count.max_values() > 1);
            most = most.filter(|_| !is_list).map(|most| most + 1);
        }
        Self { least, most }
    }

    /// Says that another number was received.
    fn are_not(&self, received: usize) -> String {
        match (self.least, self.most) {
            (least, None) => format!("requires at least {least} arg(s), only received {received}"),
            (least, Some(most)) if least == most => format!("accepts {most} arg(s), received {received}"),
            (0, Some(most)) => format!("accepts at most {most} arg(s), received {received}"),
            (least, Some(most)) => {
                format!("accepts between {least} and {most} arg(s), received {received}")
            }
        }
    }
}

fn unknown_command(word: &str, path: &str) -> String {
    format!("unknown command {word:?} for {path:?}")
}

/// The parser itself thinks of no exchanged letters.
fn near_command(command: &Command, word: &str) -> Option<String> {
    let known: Vec<&str> =
        command.get_subcommands().filter(|known| !known.is_hide_set()).map(Command::get_name).collect();
    closest(word, &known).map(|near| format!("did you mean {near}?"))
}

fn unknown(error: &clap::Error, argument: &str, typed: &Typed<'_>, see_help: String) -> Advised {
    let Typed { path, command } = typed;
    let message = match argument.strip_prefix("--") {
        Some(_) => format!("unknown flag: {argument}"),
        None if argument.starts_with('-') => {
            let letter = argument.chars().nth(1).unwrap_or('-');
            format!("unknown shorthand flag: '{letter}' in {argument}")
        }
        None => {
            let places = Places::of(command);
            return match places.most {
                None | Some(0) => Advised::new(unknown_command(argument, path), see_help),
                Some(most) => Advised::new(places.are_not(most + 1), usage(error).unwrap_or(see_help)),
            };
        }
    };
    let hint = suggestion(error, ContextKind::SuggestedArg).unwrap_or_else(|| {
        let has_program = path.ends_with(" run") || path.ends_with(" exec");
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
    let typed = [ContextKind::InvalidValue, ContextKind::InvalidArg];
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

/// `--count <COUNT>` is `"--count" flag`, with its short form if it has one, and `<SHELL>` is itself.
fn place(command: &Command, argument: &str) -> String {
    let argument = first_word(argument);
    let Some(name) = argument.strip_prefix("--") else { return argument.to_owned() };
    let flag = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    match flag.and_then(clap::Arg::get_short) {
        Some(short) => format!("\"-{short}, {argument}\" flag"),
        None => format!("{argument:?} flag"),
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
