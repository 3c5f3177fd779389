//! `bacalhau job`: submitting, inspecting and stopping jobs.

mod describe;
mod described;
mod executions;
mod get;
mod history;
mod list;
mod logs;
mod rerun;
mod run;
mod stop;
mod validate;
mod versions;

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::Context;

pub use get::Get;
pub use logs::{Logs, print as print_log};
pub use run::Run;
pub use stop::{Stop, Stopped};
pub use validate::Validate;

/// The commands of the group.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub enum Command {
    /// Submit a job from a file
    Run(Run),
    /// Show a job
    Describe(describe::Describe),
    /// List the executions of a job
    Executions(executions::Executions),
    /// Fetch the results of a job
    Get(Get),
    /// Show what happened to a job
    History(history::History),
    /// List jobs
    List(list::List),
    /// Show the output of a job
    Logs(Logs),
    /// Run a job again
    Rerun(rerun::Rerun),
    /// Stop a job
    Stop(Stop),
    /// Check a job file without a server
    Validate(Validate),
    /// List the versions of a job
    Versions(versions::Versions),
}

impl Command {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(command) => Box::pin(command.run(context)).await,
            Self::Describe(command) => command.run(context).await,
            Self::Executions(command) => command.run(context).await,
            Self::Get(command) => Box::pin(command.run(context)).await,
            Self::History(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Logs(command) => command.run(context).await,
            Self::Rerun(command) => Box::pin(command.run(context)).await,
            Self::Stop(command) => command.run(context).await,
            Self::Validate(command) => command.run(context),
            Self::Versions(command) => command.run(context).await,
        }
    }
}

/// Which job, and which version of it.
#[derive(clap::Args, Clone, Debug, Default)]
struct Which {
    /// Name of the job, its id, or the unique beginning of its id
    job: String,
    /// Version of the job [default: the latest]
    #[arg(short, long, default_value_t, hide_default_value = true)]
    version: u64,
    /// Where the name is looked up
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
}

/// Flags of commands that show sorted pages of a list.
#[derive(clap::Args, Clone, Debug, Default)]
struct Paging {
    /// Where the page before ended
    #[arg(long, default_value = "", hide_default_value = true)]
    next_token: String,
    /// Field to sort by: created_at, modified_at
    #[arg(long, default_value = "", hide_default_value = true)]
    order_by: String,
    /// Sort the other way round
    #[arg(long, alias = "reverse")]
    order_reversed: bool,
}
