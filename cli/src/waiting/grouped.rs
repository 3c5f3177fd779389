//! One line per execution with its latest event, the job's own last (`--group-events`).

use bacalhau_protocol::api::{HistoryItem, HistoryType};

use super::progress;
use crate::output::Table;
use crate::output::table::Look;

/// The latest event of each execution, in the order in which they were first heard of.
#[derive(Debug)]
pub(super) struct Grouped {
    executions: Vec<HistoryItem>,
    job: Option<HistoryItem>,
    /// Drawn again with every event; otherwise only at the end.
    live: bool,
    /// Lines of the last drawing that can still be written over.
    drawn: usize,
}

impl Grouped {
    pub(super) fn new(live: bool) -> Self {
        Self { executions: Vec::new(), job: None, live, drawn: 0 }
    }

    /// What to write when this happened.
    pub(super) fn event(&mut self, item: &HistoryItem) -> String {
        if item.history_type == HistoryType::JobLevel {
            self.job = Some(item.clone());
        } else {
            match self.executions.iter_mut().find(|seen| seen.execution_id == item.execution_id) {
                Some(seen) => *seen = item.clone(),
                None => self.executions.push(item.clone()),
            }
        }
        if self.live { self.redraw() } else { String::new() }
    }

    /// Something else was written below; the table begins anew there.
    pub(super) fn interrupted(&mut self) {
        self.drawn = 0;
    }

    /// What to write when nothing more will happen.
    pub(super) fn end(&self) -> String {
        if self.live { String::new() } else { self.text() }
    }

    fn redraw(&mut self) -> String {
        let text = self.text();
        let back = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[0J"),
        };
        self.drawn = text.lines().count();
        back + &text
    }

    fn text(&self) -> String {
        let rows = self.executions.iter().chain(&self.job).map(progress::row).collect();
        Table::new(progress::columns(), rows).render(&Look { header: true, style: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(execution: &str, message: &str) -> HistoryItem {
        let level = if execution.is_empty() { "JobLevel" } else { "ExecutionLevel" };
        serde_json::from_value(json!({
            "Type": level, "ExecutionID": execution, "Time": "2024-10-02T06:00:00.12Z",
            "Event": {"Topic": "Execution", "Message": message}
        }))
        .unwrap()
    }

    #[test]
    fn the_latest_event_of_each_execution_stands_in_the_order_of_their_beginning() {
        let mut grouped = Grouped::new(false);
        for (execution, message) in
            [("", "submitted"), ("e-2", "Running"), ("e-1", "Running"), ("e-2", "Done")]
        {
            assert_eq!(grouped.event(&item(execution, message)), "");
        }
        let expected = concat!(
            " TIME          EXEC. ID    TOPIC            EVENT\n",
            " 06:00:00.120  e-2         Execution        Done\n",
            " 06:00:00.120  e-1         Execution        Running\n",
            " 06:00:00.120              Execution        submitted\n",
        );
        assert_eq!(grouped.end(), expected);
    }

    #[test]
    fn a_terminal_is_drawn_over() {
        let mut grouped = Grouped::new(true);
        assert!(!grouped.event(&item("e-1", "Running")).starts_with('\x1b'));
        assert!(grouped.event(&item("e-1", "Done")).starts_with("\x1b[2A\x1b[0J"));
        grouped.interrupted();
        assert!(!grouped.event(&item("e-1", "Done")).starts_with('\x1b'));
        assert_eq!(grouped.end(), "");
    }
}
