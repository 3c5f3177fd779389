//! `bacalhau config list`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::config::keys::KEYS;
use crate::config::{Settings, document};
use crate::output::{self, Column, Format, ListOutput, Table, document as answer};

/// Lists every key.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    key: &'static str,
    value: serde_json::Value,
    description: String,
    /// Where it was set.
    source: String,
}

impl List {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let settings = &context.settings;
        for note in settings.notes() {
            output::note(&format!("Note: {note}"));
        }
        let rows: Vec<Row> = KEYS.iter().map(|key| row(settings, key)).collect();
        let text = match self.output.output {
            // As a file that can be used as it is.
            Format::Yaml => serde_norway::to_string(&document::complete(settings))?,
            // Indented unless somebody reads it who does not care; `--pretty` is on here.
            Format::Json => answer::json(&rows, true)?,
            Format::Table | Format::Csv => self.output.render(&rows, |wide| table(&rows, wide))?,
        };
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(settings: &Settings, key: &'static crate::config::keys::Key) -> Row {
    let idle = key.idle.map(|why| format!(" (no effect: {why})")).unwrap_or_default();
    Row {
        key: key.name,
        value: document::value(settings, key),
        description: format!("{}{idle}", key.about),
        source: settings.origin(key.name).unwrap_or("default").to_owned(),
    }
}

fn table(rows: &[Row], wide: bool) -> Table {
    let mut columns =
        vec![Column::new("Key"), Column::limited("Value", 80), Column::limited("Description", 80)];
    if wide {
        columns.push(Column::new("Source"));
    }
    let cells = |row: &Row| {
        let mut cells = vec![row.key.to_owned(), shown(&row.value), row.description.clone()];
        if wide {
            cells.push(row.source.clone());
        }
        cells
    };
    Table::new(
        columns.into_iter().map(|column| column.unless(wide)).collect(),
        rows.iter().map(cells).collect(),
    )
}

/// As it would be written after `=`.
fn shown(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) if items.iter().all(Json::is_string) => {
            items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(",")
        }
        Json::Object(entries) if entries.values().all(Json::is_string) => {
            let pairs =
                entries.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
            pairs.collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}
