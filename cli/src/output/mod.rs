//! How answers look: tables and CSV for lists, JSON and YAML for everything. Data goes to stdout, all else to stderr.

pub mod cell;
pub mod csv;
pub mod document;
pub mod meter;
pub mod status_line;
pub mod steps;
pub mod table;

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

pub use status_line::StatusLine;
pub use steps::Steps;
pub use table::{Column, Table};

/// Forms of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// The table's columns as RFC 4180.
    Csv,
    /// The complete objects.
    Json,
    /// The complete objects.
    Yaml,
}

/// Output flags of commands that list things.
#[derive(Args, Clone, Debug, Default)]
pub struct ListOutput {
    /// Output format
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    pub output: Format,
    /// Indent JSON
    #[arg(long)]
    pub pretty: bool,
    /// Leave the heading row out
    #[arg(long)]
    pub hide_header: bool,
    /// Use no colours
    #[arg(long)]
    pub no_style: bool,
    /// Show full ids and dates, wrap nothing
    #[arg(long)]
    pub wide: bool,
}

impl ListOutput {
    /// Renders `items`; `table` makes the columns and is told whether they may be wide.
    pub fn render<T: Serialize>(
        &self,
        items: &[T],
        table: impl FnOnce(bool) -> Table,
    ) -> anyhow::Result<String> {
        Ok(match self.output {
            Format::Table => {
                let table = table(self.wide);
                table.render(&table::Look {
                    header: !self.hide_header,
                    style: !self.no_style && stdout_has_colour(),
                })
            }
            // A file has no width.
            Format::Csv => csv::render(&table(true), !self.hide_header),
            Format::Json => document::json(&items, self.pretty)?,
            Format::Yaml => document::yaml(&items)?,
        })
    }
}

/// Forms of a single object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ObjectFormat {
    /// One line, or indented with `--pretty`.
    Json,
    /// Keys in alphabetical order.
    #[default]
    Yaml,
}

/// Output flags of commands that show one thing.
#[derive(Args, Clone, Debug, Default)]
pub struct ObjectOutput {
    /// Output format
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    pub output: ObjectFormat,
    /// Indent JSON
    #[arg(long)]
    pub pretty: bool,
}

impl ObjectOutput {
    /// Renders `object`.
    pub fn render<T: Serialize>(&self, object: &T) -> anyhow::Result<String> {
        match self.output {
            ObjectFormat::Json => document::json(object, self.pretty),
            ObjectFormat::Yaml => document::yaml(object),
        }
    }
}

/// Writes an answer to stdout.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells something that is no answer.
pub fn note(text: &str) {
    // Nobody is left to be told when stderr is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tells how to see what a page leaves out. A token holds no filters, so the command has to be the same.
pub fn note_more(token: &str) {
    note(&format!("\nTo fetch more records, run the same command with:\n\t--next-token {token}"));
}

/// Tells something that went less than well.
pub fn warn(text: &str) {
    let prefix = if stderr_has_colour() { "\x1b[33mWarning:\x1b[0m" } else { "Warning:" };
    note(&format!("{prefix} {text}"));
}

/// Whether tables on stdout are coloured.
pub fn stdout_has_colour() -> bool {
    has_colour(io::stdout().is_terminal())
}

/// Whether messages on stderr are coloured.
pub fn stderr_has_colour() -> bool {
    has_colour(io::stderr().is_terminal())
}

fn has_colour(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    if set("FORCE_COLOR") {
        return true;
    }
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
