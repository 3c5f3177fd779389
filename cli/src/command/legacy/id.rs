//! `bacalhau id`, now part of `bacalhau agent node`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::app::Context;
use crate::output::{self, Column, Format, ListOutput, Table, document};

/// Shows the id of the node that this machine is, or of the server's where it is none.
#[derive(Args, Debug)]
pub struct Id {
    /// Output format
    #[arg(long, value_enum, default_value = "json")]
    output: Format,
    /// Indent JSON
    #[arg(long)]
    pretty: bool,
    /// Leave the heading row out
    #[arg(long)]
    hide_header: bool,
    /// Use no colours
    #[arg(long)]
    no_style: bool,
    /// Has no effect: ids are always whole
    #[arg(long)]
    wide: bool,
}

/// There are no identities of clients, so the second is always empty.
#[derive(Debug, Serialize)]
struct Ids {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "ClientID")]
    client_id: String,
}

impl Id {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let id = match kept(context.settings.data_dir()) {
            Some(id) => id,
            None => {
                let node = context.client()?.agent_node().await?;
                node["NodeID"].as_str().unwrap_or_default().to_owned()
            }
        };
        let ids = Ids { id, client_id: String::new() };
        let list = ListOutput {
            output: self.output,
            pretty: self.pretty,
            hide_header: self.hide_header,
            no_style: self.no_style,
            wide: self.wide,
        };
        let text = match self.output {
            Format::Json => document::json(&ids, self.pretty)?,
            Format::Yaml => document::yaml(&ids)?,
            _ => list.render(&[&ids], |_| table(&ids))?,
        };
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What a node of this data directory is called, as it was kept by its first start.
fn kept(data_dir: &Path) -> Option<String> {
    let files = ["compute/node.id", "orchestrator/node.id"].map(|file| data_dir.join(file));
    files.iter().find_map(|file| Some(fs::read_to_string(file).ok()?.trim().to_owned()))
}

fn table(ids: &Ids) -> Table {
    Table::new(
        vec![Column::new("id"), Column::new("client id")],
        vec![vec![ids.id.clone(), ids.client_id.clone()]],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_knows_its_id_without_a_server() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(kept(directory.path()), None);
        fs::create_dir(directory.path().join("orchestrator")).unwrap();
        fs::write(directory.path().join("orchestrator/node.id"), "n-1\n").unwrap();
        assert_eq!(kept(directory.path()).as_deref(), Some("n-1"));
    }
}
