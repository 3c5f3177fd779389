//! Submits a question and waits until everybody has answered, or nobody waits any longer.

use std::time::Duration;

use bacalhau_protocol::api::{Execution, HistoryItem, Job, NodeState};
use serde_json::Value;

use super::missing;
use crate::client::Client;
use crate::output::{self, StatusLine};
use crate::waiting::{self, Away, Observer, Watched};

/// A question that was asked.
pub(super) struct Asked {
    /// The job as it stands now.
    pub(super) job: Job,
    /// One per node that was asked.
    pub(super) executions: Vec<Execution>,
    /// Why nobody waits any longer.
    pub(super) watched: Watched,
}

/// How much longer than a node may run its answer may take to come.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Submits the job and returns its id.
pub(super) async fn submit(client: &Client, job: &Value) -> anyhow::Result<String> {
    let submitted = client.submit(job, false).await?;
    submitted.warnings.iter().for_each(|warning| output::warn(warning));
    Ok(submitted.job_id)
}

/// Waits for the job's end. A question that nobody waits for is withdrawn, so that no device works on it in vain.
pub(super) async fn wait(client: &Client, id: &str, limit: Duration) -> anyhow::Result<Asked> {
    let mut progress = Progress::default();
    let watched = Box::pin(waiting::until_ended(client, id, limit, &mut progress)).await?;
    let job = client.job(id, 0, "").await?.job;
    let executions = client.all_executions(id, "").await?;
    if watched != Watched::Finished && !job.state.state_type.is_terminal() {
        client.stop(id, "nobody waits for the answer any longer", "").await?;
    }
    Ok(Asked { job, executions, watched })
}

/// How far the question is, on one line of a terminal. What stays is told when the waiting is over.
#[derive(Default)]
struct Progress(StatusLine);

impl Observer for Progress {
    fn event(&mut self, _: &HistoryItem) -> anyhow::Result<()> {
        Ok(())
    }

    fn look(&mut self, executions: &[Execution], away: &Away) -> anyhow::Result<()> {
        self.0.show(progress(executions, &away.nodes));
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.0.clear();
        Ok(())
    }
}

/// Who has answered, who cannot and why, and who cannot be reached.
fn progress(executions: &[Execution], away: &[NodeState]) -> String {
    let (ended, working): (Vec<&Execution>, Vec<&Execution>) =
        executions.iter().partition(|execution| execution.compute_state.state_type.is_terminal());
    let answered = ended.iter().filter(|execution| missing::has_answered(execution)).count();
    let mut text = format!("{answered} of {} nodes have answered", executions.len());
    let is_away = |execution: &&&Execution| away.iter().any(|node| node.info.node_id == execution.node_id);
    let silent: Vec<&str> =
        working.iter().filter(is_away).map(|execution| execution.node_id.as_str()).collect();
    if !silent.is_empty() {
        text.push_str(&format!(", no contact with {}", missing::names(silent)));
    }
    let failed = ended.len() - answered;
    if failed > 0 {
        let report = missing::report(&missing::silent(ended, None, away));
        let reason = report.last().and_then(|report| report.lines().next()).unwrap_or_default();
        text.push_str(&format!(", {failed} cannot ({reason})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_counts_answers_and_names_what_is_missing() {
        let executions: Vec<Execution> = serde_json::from_value(json!([
            {"NodeID": "a", "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "local"}},
            {"NodeID": "b", "ComputeState": {"StateType": 10}, "PublishedResult": {"Type": "local"}, "RunOutput": {"ExitCode": 1}},
            {"NodeID": "c", "ComputeState": {"StateType": 6}},
            {"NodeID": "d", "ComputeState": {"StateType": 4, "Message": "without Docker\nat all"}}
        ]))
        .unwrap();
        let away: Vec<NodeState> =
            serde_json::from_value(json!([{"Info": {"NodeID": "c"}}, {"Info": {"NodeID": "a"}}])).unwrap();
        let expected = "1 of 4 nodes have answered, no contact with c, 2 cannot (d: without Docker)";
        assert_eq!(progress(&executions, &away), expected);
    }
}
