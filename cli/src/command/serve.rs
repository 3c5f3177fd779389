//! `bacalhau serve`

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::Context;
use crate::config::Flag;
use crate::config::serve::ServeConfig;
use crate::flags::older::OlderFlags;
use crate::serve::{Announcement, Node};
use crate::{logging, output, signals};

/// Runs a node until it is asked to end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bacalhau serve --orchestrator
  bacalhau serve --orchestrator --compute -c API.Host=any -c API.TLS.SelfSigned
  BACALHAU_JOIN=... bacalhau serve --compute -c Compute.Orchestrators=control.example:4222 -c Labels=zone=a

Everything else is configuration: 'bacalhau config list' shows every key.")]
pub struct Serve {
    /// Schedule jobs
    #[arg(long)]
    orchestrator: bool,
    /// Run jobs
    #[arg(long)]
    compute: bool,
    /// Name of the node, kept from its first start on
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    older: OlderFlags<false>,
}

/// Lines that make a client use this node; in the data directory while the node runs.
const RUN_FILE: &str = "bacalhau.run";

impl Serve {
    /// The keys its flags stand for.
    pub fn flags(&self) -> Vec<Flag> {
        let flag = |name, key, value: &str| Flag { name, key, value: value.to_owned() };
        let roles = [
            self.orchestrator.then(|| flag("--orchestrator", "Orchestrator.Enabled", "true")),
            self.compute.then(|| flag("--compute", "Compute.Enabled", "true")),
            self.name.as_deref().map(|name| flag("--name", "NodeName", name)),
        ];
        roles.into_iter().flatten().chain(self.older.flags()).collect()
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        for advice in self.older.advice() {
            output::note(&advice);
        }
        let (config, warnings) = ServeConfig::resolve(&context.settings)?;
        logging::start(&context.settings);
        for warning in warnings.iter().chain(context.settings.notes()) {
            tracing::warn!("{warning}");
        }
        let data_dir = config.data_dir.clone();
        let node = Box::pin(Node::start(config)).await?;
        let announced = match node.announcement() {
            Some(announcement) => announce(&announcement, &data_dir),
            None => Ok(()),
        };
        let ended = match announced {
            Ok(()) => tokio::select! {
                asked = signals::end_requested() => asked.context("listening for signals"),
                failed = node.failed() => Err(failed),
            },
            failed => failed,
        };
        // Whatever went wrong: what runs is stopped in order.
        node.shutdown().await;
        let _ = fs::remove_file(data_dir.join(RUN_FILE));
        ended.map(|()| ExitCode::SUCCESS)
    }
}

fn announce(announcement: &Announcement, data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join(RUN_FILE);
    fs::write(&path, announcement.exports()).with_context(|| format!("writing {}", path.display()))?;
    let text =
        if io::stdout().is_terminal() { announcement.with_secret() } else { announcement.without_secret() };
    output::print(&format!("{text}A copy of these variables have been written to: {}\n", path.display()))?;
    Ok(())
}
