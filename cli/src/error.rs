//! How failures are told: what was wrong, then what to do. Exit code 1 for every failure.

use std::fmt;

use crate::client;

/// An error with advice.
#[derive(Debug)]
pub struct Advised {
    message: String,
    hint: String,
}

impl Advised {
    /// `message` says what was wrong and where; `hint` says what to do.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl std::error::Error for Advised {}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The text of a failure as it stands on stderr.
pub fn report(error: &anyhow::Error, colour: bool) -> String {
    let paint =
        |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let mut text = format!("\n{}{}", paint("31", "Error: "), hanging(&message(error), "Error: ".len()));
    if let Some(hint) = hint(error) {
        text.push_str(&format!("\n{}{}", paint("32", "Hint:  "), hanging(&hint, "Hint:  ".len())));
    }
    text
}

/// Whether nobody reads our output any more; that is no failure.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

fn message(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ")
}

fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| match cause.downcast_ref::<Advised>() {
        Some(advised) => Some(advised.hint.clone()),
        None => cause.downcast_ref::<client::Error>().and_then(client::Error::hint),
    })
}

fn hanging(text: &str, indent: usize) -> String {
    text.replace('\n', &format!("\n{:indent$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn causes_are_joined_and_advice_stands_below() {
        let error = Err::<(), _>(Advised::new("no such file", "check the path\nor the directory"))
            .context("opening job file (\"x.yaml\")")
            .unwrap_err();
        let expected = concat!(
            "\nError: opening job file (\"x.yaml\"): no such file",
            "\nHint:  check the path",
            "\n       or the directory"
        );
        assert_eq!(report(&error, false), expected);
        assert!(report(&error, true).starts_with("\n\x1b[31mError: \x1b[0mopening"));
    }

    #[test]
    fn a_closed_pipe_is_recognised() {
        let error =
            anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow::anyhow!("x")));
    }
}
