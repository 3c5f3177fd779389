//! Nodes that a job waits for although they cannot be reached: which, since when, and until when.

use std::collections::BTreeSet;
use std::time::Duration;

use bacalhau_control_plane::scheduler::Settings;
use bacalhau_protocol::api::{Execution, Job, NodeState};
use bacalhau_protocol::model::JobType;
use bacalhau_protocol::time::Timestamp;

use super::Away;
use crate::output::cell;

/// Tells of each silent node once per silence.
#[derive(Debug)]
pub(super) struct Silence {
    job_type: Option<JobType>,
    /// When the job is over in any case.
    deadline: Option<Timestamp>,
    told: BTreeSet<(String, Timestamp)>,
}

impl Silence {
    pub(super) fn of(job: &Job) -> Self {
        let total = job.tasks.first().map_or(0, |task| task.timeouts.total_timeout);
        let begun = Timestamp(job.modify_time.max(job.create_time));
        let deadline = (total > 0).then(|| begun.after(Duration::from_secs(total)));
        Self { job_type: JobType::parse(&job.job_type), deadline, told: BTreeSet::new() }
    }

    /// What is new about executions whose nodes are away.
    pub(super) fn notes(&mut self, executions: &[Execution], away: &Away) -> Vec<String> {
        let waiting = executions.iter().filter(|execution| !execution.compute_state.state_type.is_terminal());
        let mut notes = Vec::new();
        for execution in waiting {
            let Some(node) = away.nodes.iter().find(|node| node.info.node_id == execution.node_id) else {
                continue;
            };
            let since = last_heard(node);
            if self.told.insert((execution.id.clone(), since)) {
                notes.push(self.note(execution, since, away.silence));
            }
        }
        notes
    }

    fn note(&self, execution: &Execution, since: Timestamp, silence: Option<Duration>) -> String {
        let node = cell::short_id(&execution.node_id);
        format!(
            "node {node} cannot be reached since {} UTC; {}",
            cell::time(since, true),
            self.consequence(execution, since, silence)
        )
    }

    /// What the control plane does about it (docs/scheduling.md, "Silence is not failure"). No time is said that the
    /// server does not tell.
    fn consequence(&self, execution: &Execution, since: Timestamp, silence: Option<Duration>) -> String {
        let id = cell::short_id(&execution.id);
        let ends = |at: Timestamp| format!(" until {} UTC", cell::time(at, true));
        match (self.job_type, self.deadline) {
            (Some(JobType::Ops), Some(deadline)) => {
                format!("execution {id} waits for it{}, the end of the job's total timeout", ends(deadline))
            }
            (Some(JobType::Ops), None) => {
                let has_begun = !execution.compute_state.state_type.has_not_begun();
                let limit =
                    silence.map(|silence| if has_begun { Settings::default().ops_silence } else { silence });
                let until = limit.map_or_else(String::new, |limit| ends(since.after(limit)));
                format!("execution {id} waits for it{until}; give the job a total timeout to wait longer")
            }
            (Some(JobType::Daemon), _) => format!("execution {id} waits for it"),
            _ => {
                let from = silence.map_or_else(
                    || " after a while".to_owned(),
                    |silence| format!(" from {} UTC on", cell::time(since.after(silence), true)),
                );
                format!("another node takes execution {id} over{from}, if one can")
            }
        }
    }
}

fn last_heard(node: &NodeState) -> Timestamp {
    node.connection_state.last_heartbeat.max(node.connection_state.disconnected_since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn silence(job_type: &str, total_timeout: u64) -> Silence {
        let job = json!({"Type": job_type, "CreateTime": 1_727_848_800_000_000_000_i64,
            "Tasks": [{"Timeouts": {"TotalTimeout": total_timeout}}]});
        Silence::of(&serde_json::from_value(job).unwrap())
    }

    fn executions(state: u8) -> Vec<Execution> {
        serde_json::from_value(json!([{"ID": "e-1", "NodeID": "gw-7", "ComputeState": {"StateType": state}}]))
            .unwrap()
    }

    fn away(since: &str) -> Away {
        let nodes = json!([
            {"Info": {"NodeID": "gw-7"}, "ConnectionState": {"DisconnectedSince": since}},
            {"Info": {"NodeID": "gw-8"}, "ConnectionState": {"DisconnectedSince": since}}
        ]);
        Away { nodes: serde_json::from_value(nodes).unwrap(), silence: Some(Duration::from_secs(120)) }
    }

    #[test]
    fn each_silence_is_told_once() {
        let mut silence = silence("ops", 0);
        let first = silence.notes(&executions(6), &away("2024-10-02T06:00:00Z"));
        assert_eq!(first.len(), 1);
        assert_eq!(silence.notes(&executions(6), &away("2024-10-02T06:00:00Z")), Vec::<String>::new());
        assert_eq!(silence.notes(&executions(6), &away("2024-10-02T06:05:00Z")).len(), 1);
        assert_eq!(silence.notes(&executions(9), &away("2024-10-02T06:06:00Z")), Vec::<String>::new());
    }

    #[test]
    fn it_is_said_until_when_the_job_waits() {
        let note = |mut silence: Silence, state| {
            silence.notes(&executions(state), &away("2024-10-02T06:00:00Z")).concat()
        };
        let start = "node gw-7 cannot be reached since 2024-10-02 06:00:00 UTC; ";
        let expected = format!(
            "{start}execution e-1 waits for it until 2024-10-02 06:10:00 UTC; give the job a total timeout to wait longer"
        );
        assert_eq!(note(silence("ops", 0), 6), expected);
        assert!(note(silence("ops", 0), 1).contains("until 2024-10-02 06:02:00 UTC"));
        assert!(
            note(silence("ops", 7200), 1)
                .contains("until 2024-10-02 08:00:00 UTC, the end of the job's total")
        );
        assert!(
            note(silence("batch", 0), 6)
                .contains("another node takes execution e-1 over from 2024-10-02 06:02:00")
        );
        assert!(note(silence("daemon", 0), 6).ends_with("execution e-1 waits for it"));
        let untold = Away { silence: None, ..away("2024-10-02T06:00:00Z") };
        let note = silence("batch", 0).notes(&executions(6), &untold).concat();
        assert!(note.ends_with("; another node takes execution e-1 over after a while, if one can"));
    }
}
