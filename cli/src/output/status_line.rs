//! The present on one line of a terminal's stderr, written over again and again; it leaves nothing behind.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line. Anything else that is printed wants it cleared first.
#[derive(Debug, Default)]
pub struct StatusLine(Option<ProgressBar>);

impl StatusLine {
    /// Shows the text, cut to the width of the terminal; nothing where nobody looks on.
    pub fn show(&mut self, text: String) {
        if is_watched() {
            self.0.get_or_insert_with(line).set_message(text);
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if let Some(line) = self.0.take() {
            line.finish_and_clear();
        }
    }
}

/// Whether stderr is a terminal on which something can be written over.
pub(super) fn is_watched() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !is_dumb
}

fn line() -> ProgressBar {
    let style =
        ProgressStyle::with_template(" {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
