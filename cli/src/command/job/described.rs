//! A job, its executions and its history for people (`job describe --output table`).

use std::fmt::Write as _;

use bacalhau_protocol::api::{Execution, GetJobResponse, HistoryItem, HistoryType, Job};
use bacalhau_protocol::model::JobType;
use bacalhau_protocol::time::Timestamp;

use crate::output::table::Look;
use crate::output::{Column, Table, cell};

/// Everything about a job, newest execution first.
pub(super) fn text(answer: &GetJobResponse, colour: bool) -> String {
    let mut executions: Vec<&Execution> = answer.executions.iter().flat_map(|page| &page.items).collect();
    executions.sort_by_key(|execution| std::cmp::Reverse((execution.create_time, execution.id.clone())));
    let history: Vec<&HistoryItem> = answer.history.iter().flat_map(|page| &page.items).collect();
    let look = Look { header: true, style: colour };
    let heading =
        |title: &str| if colour { format!("\n\x1b[1m{title}\x1b[0m\n") } else { format!("\n{title}\n") };
    let mut text = facts(&answer.job);
    if !executions.is_empty() {
        text += &(heading("Summary") + &summary(&executions));
    }
    let of_job = history.iter().filter(|item| item.history_type == HistoryType::JobLevel);
    text += &(heading("Job History") + &events(of_job.copied()).render(&look));
    if !executions.is_empty() {
        text += &(heading("Executions") + &table(&executions).render(&look));
    }
    for execution in &executions {
        let own = history.iter().filter(|item| item.execution_id == execution.id);
        let title = format!("Execution {} History", cell::short_id(&execution.id));
        text += &(heading(&title) + &events(own.copied()).render(&look));
    }
    let output = output(&executions);
    if !output.is_empty() {
        text += &(heading("Standard Output") + &output);
    }
    text
}

fn facts(job: &Job) -> String {
    let job_type = JobType::parse(&job.job_type);
    let count =
        if job_type.is_some_and(JobType::is_everywhere) { String::new() } else { job.count.to_string() };
    let facts = [
        ("ID", job.id.clone()),
        ("Name", job.name.clone()),
        ("Namespace", job.namespace.clone()),
        ("Type", job.job_type.clone()),
        ("State", job.state.state_type.to_string()),
        ("Message", job.state.message.clone()),
        ("Count", count),
        ("Created Time", cell::time(Timestamp(job.create_time), true)),
        ("Modified Time", cell::time(Timestamp(job.modify_time), true)),
        ("Version", job.version.to_string()),
    ];
    let facts = facts.iter().filter(|(_, value)| !value.is_empty());
    facts.map(|(name, value)| format!("{name:<13} = {value}\n")).collect()
}

/// How many executions are in each state.
fn summary(executions: &[&Execution]) -> String {
    let mut states: Vec<_> = executions.iter().map(|execution| execution.compute_state.state_type).collect();
    states.sort_unstable();
    let groups = states.chunk_by(|a, b| a == b);
    groups.map(|group| format!("{} = {}\n", group[0], group.len())).collect()
}

fn events<'h>(items: impl Iterator<Item = &'h HistoryItem>) -> Table {
    let columns = vec![Column::new("Time"), Column::limited("Topic", 15), Column::limited("Event", 90)];
    let row = |item: &HistoryItem| {
        vec![cell::time(item.time, true), item.event.topic.clone(), cell::event(&item.event)]
    };
    Table::new(columns, items.map(row).collect())
}

fn table(executions: &[&Execution]) -> Table {
    let columns = ["ID", "Node ID", "State", "Desired", "Rev.", "Created", "Modified"].map(Column::new);
    let columns = columns.into_iter().chain([Column::limited("Comment", 40)]).collect();
    let row = |execution: &&Execution| {
        vec![
            cell::short_id(&execution.id),
            cell::short_id(&execution.node_id),
            execution.compute_state.state_type.to_string(),
            execution.desired_state.state_type.to_string(),
            execution.revision.to_string(),
            cell::time(Timestamp(execution.create_time), false),
            cell::time(Timestamp(execution.modify_time), false),
            execution.compute_state.message.clone(),
        ]
    };
    Table::new(columns, executions.iter().map(row).collect())
}

/// What the executions printed, each under its id when there are several.
fn output(executions: &[&Execution]) -> String {
    let mut text = String::new();
    for execution in executions {
        let output = &execution.run_output;
        if output.stdout.is_empty() && output.stderr.is_empty() {
            continue;
        }
        if executions.len() > 1 {
            let _ = writeln!(text, "Execution {}:", cell::short_id(&execution.id));
        }
        for stream in [&output.stdout, &output.stderr].into_iter().filter(|stream| !stream.is_empty()) {
            let _ = writeln!(text, "{}", cell::harmless(stream.trim_end()));
        }
        if output.stdout_truncated || output.stderr_truncated {
            text.push_str("...\nOutput truncated\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn looks_like_this() {
        let time = 1_727_848_800_000_000_000_i64;
        let event = |level: &str, topic: &str, message: &str| {
            let execution = if level == "JobLevel" { "" } else { "e-9f8e7d6c-0000-4000-8000-000000000001" };
            json!({"Type": level, "ExecutionID": execution, "Time": "2024-10-02T06:00:00Z",
                   "Event": {"Topic": topic, "Message": message}})
        };
        let answer: GetJobResponse = serde_json::from_value(json!({
            "Job": {"ID": "j-1", "Name": "nightly", "Namespace": "default", "Type": "batch", "Count": 1, "Version": 1,
                    "State": {"StateType": "Completed"}, "CreateTime": time, "ModifyTime": time},
            "Executions": {"Items": [{
                "ID": "e-9f8e7d6c-0000-4000-8000-000000000001", "NodeID": "gw-7", "Revision": 6,
                "ComputeState": {"StateType": 9}, "DesiredState": {"StateType": 2}, "CreateTime": time,
                "ModifyTime": time, "RunOutput": {"Stdout": "hello\u{1b}[2J\n", "StdoutTruncated": true}
            }]},
            "History": {"Items": [
                event("JobLevel", "Submission", "Job submitted"),
                event("ExecutionLevel", "Execution", "Running")
            ]}
        }))
        .unwrap();
        let expected = "\
ID            = j-1
Name          = nightly
Namespace     = default
Type          = batch
State         = Completed
Count         = 1
Created Time  = 2024-10-02 06:00:00
Modified Time = 2024-10-02 06:00:00
Version       = 1

Summary
Completed = 1

Job History
 TIME                 TOPIC       EVENT
 2024-10-02 06:00:00  Submission  Job submitted

Executions
 ID          NODE ID  STATE      DESIRED  REV.  CREATED   MODIFIED  COMMENT
 e-9f8e7d6c  gw-7     Completed  Stopped  6     06:00:00  06:00:00

Execution e-9f8e7d6c History
 TIME                 TOPIC      EVENT
 2024-10-02 06:00:00  Execution  Running

Standard Output
hello\u{fffd}[2J
...
Output truncated
";
        assert_eq!(text(&answer, false), expected);
    }
}
