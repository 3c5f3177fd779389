//! What a person sees while a job is waited for: events on stdout, a line about the present on a terminal's stderr.

use std::io::IsTerminal as _;

use bacalhau_protocol::api::{Execution, HistoryItem};

use super::grouped::Grouped;
use super::progress::Progress;
use crate::flags::runtime::Runtime;
use crate::output::{self, StatusLine};

/// How events are shown.
#[derive(Debug)]
pub(super) enum Display {
    /// Not at all.
    Silent,
    /// One line each, under each other.
    Lines { progress: Progress, status: StatusLine },
    /// One line per execution.
    Grouped(Box<Grouped>),
}

impl Display {
    pub(super) fn new(runtime: &Runtime) -> Self {
        if runtime.id_only {
            Self::Silent
        } else if runtime.group_events {
            Self::Grouped(Grouped::new(std::io::stdout().is_terminal()).into())
        } else {
            Self::Lines { progress: Progress::default(), status: StatusLine::default() }
        }
    }

    pub(super) fn event(&mut self, item: &HistoryItem) -> anyhow::Result<()> {
        match self {
            Self::Silent => {}
            Self::Grouped(grouped) => output::print(&grouped.event(item))?,
            Self::Lines { progress, status } => {
                if let Some(line) = progress.line(item) {
                    status.clear();
                    output::print(&line)?;
                }
            }
        }
        Ok(())
    }

    /// Shows how far the executions are, where that can be taken back.
    pub(super) fn status(&mut self, executions: &[Execution]) {
        if let Self::Lines { status, .. } = self {
            status.show(summary(executions));
        }
    }

    /// Something that is worth a line of its own although it is no event.
    pub(super) fn note(&mut self, text: &str) {
        match self {
            Self::Silent => return,
            Self::Lines { status, .. } => status.clear(),
            Self::Grouped(grouped) => grouped.interrupted(),
        }
        output::warn(text);
    }

    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Silent => {}
            Self::Lines { status, .. } => status.clear(),
            Self::Grouped(grouped) => output::print(&grouped.end())?,
        }
        Ok(())
    }
}

/// `2 of 5 executions have ended, 2 run, 1 waits`.
fn summary(executions: &[Execution]) -> String {
    if executions.is_empty() {
        return "waiting for a node that can run the job".to_owned();
    }
    let ended = executions.iter().filter(|e| e.compute_state.state_type.is_terminal()).count();
    let running = executions.iter().filter(|e| e.compute_state.state_type.is_running()).count();
    let waiting = executions.len() - ended - running;
    let mut text = format!("{ended} of {} executions have ended", executions.len());
    if running > 0 {
        text.push_str(&format!(", {running} running"));
    }
    if waiting > 0 {
        text.push_str(&format!(", {waiting} waiting for the node"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_present_is_told_in_one_line() {
        let executions = |states: &[u8]| -> Vec<Execution> {
            let executions = states.iter().map(|state| json!({"ComputeState": {"StateType": state}}));
            serde_json::from_value(executions.collect()).unwrap()
        };
        assert_eq!(summary(&executions(&[])), "waiting for a node that can run the job");
        assert_eq!(summary(&executions(&[9, 10])), "2 of 2 executions have ended");
        assert_eq!(
            summary(&executions(&[9, 6, 7, 1])),
            "1 of 4 executions have ended, 2 running, 1 waiting for the node"
        );
    }
}
