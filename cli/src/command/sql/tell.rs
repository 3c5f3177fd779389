//! What standard error says about a question.

use super::ask::Asked;
use super::missing::{self, Missing};
use crate::output;

/// Says what the rows do not: who has not answered and why, and what was left out.
pub(super) fn tell(asked: &Asked, missing: &[Missing]) {
    let answered = asked.executions.iter().filter(|execution| missing::has_answered(execution));
    answered.filter_map(missing::unreadable).for_each(|left_out| output::warn(&left_out));
    if asked.executions.is_empty() {
        // What follows are the reasons of single nodes.
        let message = asked.job.state.message.lines().next().unwrap_or("none matches");
        output::warn(&format!("no node was asked: {message}"));
    }
    if missing.is_empty() {
        return;
    }
    let lines = missing::report(missing);
    output::warn(&format!("no answer from\n  {}", lines.join("\n").replace('\n', "\n  ")));
    if let Some(path) = missing::closed_path(&lines) {
        output::note(&format!(
            "Hint: let jobs read it on the device: -c Compute.AllowListedLocalPaths={path}:ro"
        ));
    }
    output::note(&format!("More about it: bacalhau job executions {}", asked.job.id));
}
