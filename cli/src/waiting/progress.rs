//! Events of a job as lines under each other while they happen.

use bacalhau_protocol::api::{HistoryItem, HistoryType};
use bacalhau_protocol::model::topic;

use crate::output::table::Look;
use crate::output::{Column, Table, cell};

/// Chooses the events worth a line, and prints the heading above the first.
#[derive(Debug, Default)]
pub(super) struct Progress {
    begun: bool,
    execution_failed: bool,
}

impl Progress {
    /// The lines for an event, if it is worth any.
    pub(super) fn line(&mut self, item: &HistoryItem) -> Option<String> {
        let is_first = !self.begun;
        if !is_first && !self.is_worth_a_line(item) {
            return None;
        }
        self.begun = true;
        let look = Look { header: is_first, style: false };
        Some(Table::new(columns(), vec![row(item)]).render(&look))
    }

    /// Executions tell the story; the job itself only speaks up when it waits for a node, or when none of them said what
    /// went wrong.
    fn is_worth_a_line(&mut self, item: &HistoryItem) -> bool {
        let is_error = cell::is_error(&item.event);
        if item.history_type == HistoryType::JobLevel {
            return item.event.topic == topic::QUEUEING || is_error && !self.execution_failed;
        }
        self.execution_failed |= is_error;
        true
    }
}

/// Wide enough for every event, so that rows printed one by one line up.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::fixed("Time", 12),
        Column::fixed("Exec. ID", 10),
        Column::fixed("Topic", 15),
        Column::fixed("Event", 90),
    ]
}

pub(super) fn row(item: &HistoryItem) -> Vec<String> {
    vec![
        cell::time_with_millis(&item.time.to_string()),
        cell::short_id(&item.execution_id),
        item.event.topic.clone(),
        cell::event(&item.event),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(level: &str, topic: &str, message: &str, error: bool) -> HistoryItem {
        let details = if error { json!({"IsError": "true"}) } else { json!({}) };
        let execution = if level == "ExecutionLevel" { "e-9f8e7d6c-0000-4000-8000-000000000001" } else { "" };
        serde_json::from_value(json!({
            "Type": level, "ExecutionID": execution, "Time": "2024-10-02T06:00:00.12Z",
            "Event": {"Topic": topic, "Message": message, "Details": details}
        }))
        .unwrap()
    }

    fn shown(items: &[HistoryItem]) -> String {
        let mut progress = Progress::default();
        items.iter().filter_map(|item| progress.line(item)).collect()
    }

    #[test]
    fn the_first_event_and_those_of_executions_are_shown() {
        let text = shown(&[
            item("JobLevel", "Submission", "Job submitted", false),
            item("JobLevel", "State Update", "Running", false),
            item("ExecutionLevel", "Execution", "Running", false),
        ]);
        let expected = concat!(
            " TIME          EXEC. ID    TOPIC            EVENT\n",
            " 06:00:00.120              Submission       Job submitted\n",
            " 06:00:00.120  e-9f8e7d6c  Execution        Running\n",
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_job_that_finds_no_node_says_why() {
        let submitted = item("JobLevel", "Submission", "Job submitted", false);
        let queued = item("JobLevel", "Queueing", "Job queued. not enough nodes", false);
        assert!(shown(&[submitted, queued]).ends_with("Queueing         Job queued. not enough nodes\n"));
    }

    #[test]
    fn an_error_of_the_job_is_shown_unless_an_execution_told_it() {
        let submitted = item("JobLevel", "Submission", "Job submitted", false);
        let job_error = item("JobLevel", "Scheduling", "not enough nodes", true);
        let execution_error = item("ExecutionLevel", "Execution", "exit code 3", true);
        assert!(shown(&[submitted.clone(), job_error.clone()]).contains("Error: not enough nodes"));
        assert!(!shown(&[submitted, execution_error, job_error]).contains("not enough nodes"));
    }
}
