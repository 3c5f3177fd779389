//! `bacalhau devstack`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::app::Context;
use crate::config::Flag;
use crate::devstack::{self, PidAndPort, Plan};
use crate::flags::older::OlderFlags;
use crate::{logging, output, signals};

/// Runs a small cluster on this machine until it is asked to end.
#[derive(Args, Debug)]
pub struct Devstack {
    /// Number of nodes that only schedule jobs; at most one
    #[arg(long, alias = "requester-nodes", default_value_t = 1)]
    orchestrators: usize,
    /// Number of nodes that only run jobs
    #[arg(long, alias = "compute-nodes", default_value_t = 3)]
    computes: usize,
    /// Number of nodes that do both; at most one, and then there is no other orchestrator
    #[arg(long, alias = "hybrid-nodes", default_value_t)]
    hybrids: usize,
    /// Directory for all nodes [default: a temporary one that is removed at the end]
    #[arg(long, value_name = "PATH")]
    stack_repo: Option<PathBuf>,
    /// Let the system choose the ports; several devstacks may run so
    #[arg(long)]
    random_ports: bool,
    /// Number of nodes that misbehave, which there are none of
    #[arg(long, alias = "bad-compute-actors", default_value_t, hide = true)]
    bad_computes: usize,
    #[arg(long, hide = true)]
    cpu_profiling_file: Option<String>,
    #[arg(long, hide = true)]
    memory_profiling_file: Option<String>,
    #[command(flatten)]
    older: OlderFlags<true>,
}

impl Devstack {
    /// The keys its flags stand for.
    pub fn flags(&self) -> Vec<Flag> {
        self.older.flags()
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.advise();
        logging::start(&context.settings);
        for note in context.settings.notes() {
            tracing::warn!("{note}");
        }
        let temporary = tempfile::Builder::new().prefix("bacalhau-devstack-").tempdir();
        let temporary = temporary.context("making a temporary directory")?;
        let directory = self.stack_repo.clone().unwrap_or_else(|| temporary.path().to_owned());
        let plan = self.plan(directory)?;
        // Two devstacks would fight for the same ports; those that choose their own do not.
        let mut lock = if self.random_ports { None } else { Some(PidAndPort::take(context)?) };
        let devstack = Box::pin(devstack::Devstack::start(&plan, &context.settings)).await?;
        let announced = self.announce(context, &devstack, lock.as_mut());
        let ended = match announced {
            Ok(()) => tokio::select! {
                asked = signals::end_requested() => asked.context("listening for signals"),
                failed = devstack.failed() => Err(failed),
            },
            failed => failed,
        };
        output::note("Shutting down devstack");
        devstack.shutdown().await;
        ended.map(|()| ExitCode::SUCCESS)
    }

    fn advise(&self) {
        for advice in self.older.advice() {
            output::note(&advice);
        }
        for (flag, file) in [
            ("--cpu-profiling-file", &self.cpu_profiling_file),
            ("--memory-profiling-file", &self.memory_profiling_file),
        ] {
            if file.is_some() {
                output::warn(&format!("{flag} has no effect: use a profiler such as perf"));
            }
        }
    }

    fn plan(&self, directory: PathBuf) -> anyhow::Result<Plan> {
        ensure!(
            self.orchestrators + self.computes + self.hybrids > 0,
            "you cannot create a devstack with zero nodes"
        );
        ensure!(
            self.bad_computes == 0,
            "--bad-computes is not supported: no node of this program misbehaves on demand"
        );
        match (self.orchestrators, self.hybrids) {
            (1, 0) | (0, 1) => {}
            (1, 1) => {
                bail!("a devstack has one orchestrator: add --orchestrators 0 to make it the hybrid node")
            }
            (0, 0) => bail!("a devstack needs an orchestrator: give --orchestrators 1 or --hybrids 1"),
            _ => bail!("several orchestrators in one devstack are not supported yet"),
        }
        Ok(Plan {
            computes: self.computes,
            hybrid: self.hybrids == 1,
            directory,
            random_ports: self.random_ports,
        })
    }

    fn announce(
        &self,
        context: &Context,
        devstack: &devstack::Devstack,
        lock: Option<&mut PidAndPort>,
    ) -> anyhow::Result<()> {
        let exports = devstack.announcement().map(|announcement| announcement.exports()).unwrap_or_default();
        if let (Some(lock), Some(announcement)) = (lock, devstack.announcement()) {
            lock.set_port(announcement.api().port())?;
        }
        if let Some(file) = context.environment.get("DEVSTACK_ENV_FILE").filter(|file| !file.is_empty()) {
            // The first node is the only one with an API.
            let of_node = exports.replace("_HOST=", "_HOST_0=").replace("_PORT=", "_PORT_0=");
            fs::write(file, format!("{exports}{of_node}")).with_context(|| format!("writing {file}"))?;
        }
        output::print(&format!(
            "Devstack is ready!\nNo. of requester only nodes: {}\nNo. of compute only nodes: {}\nNo. of hybrid nodes: {}\n\
             To use the devstack, run the following commands in your shell:\n\n{exports}",
            self.orchestrators, self.computes, self.hybrids
        ))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parsed::parsed;

    fn plan(arguments: &[&str]) -> anyhow::Result<Plan> {
        parsed::<Devstack>(arguments).unwrap().plan("x".into())
    }

    #[test]
    fn one_orchestrator_of_either_kind() {
        assert_eq!(plan(&[]).unwrap().computes, 3);
        assert!(plan(&["--orchestrators", "0", "--hybrids", "1"]).unwrap().hybrid);
        for (arguments, part) in [
            (["--orchestrators", "0", "--computes", "0"], "zero nodes"),
            (["--orchestrators", "0", "--computes", "1"], "needs an orchestrator"),
            (["--orchestrators", "1", "--hybrids", "1"], "--orchestrators 0"),
            (["--orchestrators", "2", "--computes", "1"], "not supported yet"),
        ] {
            assert!(plan(&arguments).unwrap_err().to_string().contains(part), "{arguments:?}");
        }
    }
}
