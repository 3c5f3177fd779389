//! Submits a question and waits until everybody has answered, or nobody waits any longer.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use bacalhau_protocol::api::{Execution, Job};
use serde_json::Value;

use super::missing;
use crate::client::Client;
use crate::output;
use crate::waiting::{self, Watched};

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
/// First and longest pause between two looks at who has answered.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// Submits the job and returns its id.
pub(super) async fn submit(client: &Client, job: &Value) -> anyhow::Result<String> {
    let submitted = client.submit(job, false).await?;
    submitted.warnings.iter().for_each(|warning| output::warn(warning));
    Ok(submitted.job_id)
}

/// Waits for the job's end. A question that nobody waits for is withdrawn, so that no device works on it in vain.
pub(super) async fn wait(client: &Client, id: &str, limit: Duration) -> anyhow::Result<Asked> {
    let watched = tokio::select! {
        watched = Box::pin(waiting::until_ended(client, id, limit)) => watched?,
        never = show_progress(client, id) => match never {},
    };
    clear_progress();
    let job = client.job(id, 0, "").await?.job;
    let executions = client.all_executions(id, "").await?;
    if watched != Watched::Finished && !job.state.state_type.is_terminal() {
        client.stop(id, "nobody waits for the answer any longer", "").await?;
    }
    Ok(Asked { job, executions, watched })
}

/// One line on a terminal, written over again and again.
async fn show_progress(client: &Client, id: &str) -> std::convert::Infallible {
    if !io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let mut pause = FIRST_LOOK;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_LOOK);
        // Whether the server is away is told by the one who waits.
        if let Ok(executions) = client.all_executions(id, "").await {
            let line = progress(&executions);
            // Nobody is left to be told when stderr is gone.
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }
}

fn clear_progress() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn progress(executions: &[Execution]) -> String {
    let answered = executions.iter().filter(|execution| missing::has_answered(execution)).count();
    let ended =
        executions.iter().filter(|execution| execution.compute_state.state_type.is_terminal()).count();
    let failed = ended.saturating_sub(answered);
    let without = if failed == 0 { String::new() } else { format!(", {failed} cannot") };
    format!("{answered} of {} nodes have answered{without}", executions.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_counts_answers_and_failures() {
        let executions: Vec<Execution> = serde_json::from_value(json!([
            {"NodeID": "a", "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "local"}},
            {"NodeID": "b", "ComputeState": {"StateType": 10}, "PublishedResult": {"Type": "local"}, "RunOutput": {"ExitCode": 1}},
            {"NodeID": "c", "ComputeState": {"StateType": 6}}
        ]))
        .unwrap();
        assert_eq!(progress(&executions), "1 of 3 nodes have answered, 1 cannot");
    }
}
