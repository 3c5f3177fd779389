//! `bacalhau profile list`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::output::{self, Column, Format, ListOutput, Table};

/// Lists profiles.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Serialize)]
struct Row {
    current: &'static str,
    name: String,
    endpoint: String,
    auth: &'static str,
}

impl List {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let profiles = context.profiles();
        let current = profiles.current();
        let row = |name: String| {
            let profile = profiles.read(&name)?;
            let auth = if profile.auth.token.is_empty() { "" } else { "token" };
            let mark = if current.as_ref() == Some(&name) { "*" } else { "" };
            Ok(Row { current: mark, name, endpoint: profile.endpoint, auth })
        };
        let rows = profiles.names()?.into_iter().map(row).collect::<anyhow::Result<Vec<_>>>()?;
        let text = match self.output.output {
            Format::Table if rows.is_empty() => "No profiles found\n".to_owned(),
            _ => self.output.render(&rows, |_| table(&rows))?,
        };
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(rows: &[Row]) -> Table {
    let cells =
        |row: &Row| vec![row.current.to_owned(), row.name.clone(), row.endpoint.clone(), row.auth.to_owned()];
    let columns = ["CURRENT", "NAME", "ENDPOINT", "AUTH"].map(Column::new);
    Table::new(columns.to_vec(), rows.iter().map(cells).collect())
}
