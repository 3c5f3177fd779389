//! Flags of commands that submit a job: whether to wait for it, and what to show meanwhile (cli.md 4.7).

use std::time::Duration;

use clap::Args;

/// Whether to wait for a job, and what to show meanwhile.
#[derive(Args, Clone, Debug)]
pub struct Runtime {
    /// Wait for the job to end
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, value_name = "BOOL")]
    pub wait: bool,
    /// Longest wait, seconds; 0 for no limit. The job goes on when it is over
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    wait_timeout_secs: u64,
    /// Print only the id of the job
    #[arg(long)]
    pub id_only: bool,
    /// Print what each node answered when the job has ended
    #[arg(long)]
    pub node_details: bool,
    /// Show the output of the job while it runs
    #[arg(short, long)]
    pub follow: bool,
    /// Show one line per execution with its latest event, instead of every event
    #[arg(long)]
    pub group_events: bool,
}

/// Whether to show what a server remarks about a job.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Warnings {
    /// Leave the warnings of the server out
    #[arg(long)]
    hide_warnings: bool,
    /// Show the warnings of the server; they are shown unless hidden
    #[arg(long, conflicts_with = "hide_warnings")]
    show_warnings: bool,
}

impl Runtime {
    /// Longest wait; `None` for no limit.
    pub fn limit(&self) -> Option<Duration> {
        (self.wait_timeout_secs > 0).then(|| Duration::from_secs(self.wait_timeout_secs))
    }

    /// Whether the command is over as soon as the job was submitted.
    pub fn leaves_at_once(&self) -> bool {
        !self.wait && !self.follow
    }
}

impl Warnings {
    /// Whether they are shown.
    pub fn are_shown(self) -> bool {
        !self.hide_warnings
    }
}
