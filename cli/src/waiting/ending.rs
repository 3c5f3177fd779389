//! The last words about a job.

use std::time::Duration;

use bacalhau_protocol::api::Job;

use super::watch::Watched;
use crate::config::duration;
use crate::error;

/// Why nobody waits any longer although the job goes on, and how to come back to it.
pub(super) fn cut_short(watched: Watched, job: &str, limit: Option<Duration>) -> String {
    let why = match watched {
        Watched::TimedOut => format!("timed out after {}", duration::format(limit.unwrap_or_default())),
        _ => "canceled".to_owned(),
    };
    format!(
        "Progress tracking {why}. The job is still running.\n\nTo get more information at any time, run:\n\tbacalhau job describe {job}\n\
         \nTo cancel the job, run:\n\tbacalhau job stop {job}"
    )
}

/// What went wrong with a job.
pub(super) fn failure(job: &Job, colour: bool) -> String {
    let state = job.state.state_type.as_str().to_lowercase();
    let details = &job.state.details;
    let mut text = match job.state.message.as_str() {
        "" => format!("job {state}"),
        message => format!("job {state}: {message}"),
    };
    if let Some(error) = details.get("LastError").filter(|error| !text.contains(error.as_str())) {
        let node = details.get("LastNode").map(|node| format!(", on node {node}")).unwrap_or_default();
        text.push_str(&format!("; the last error{node}: {error}"));
    }
    let failure = match details.get("Hint") {
        Some(hint) => anyhow::Error::new(error::Advised::new(text, hint.clone())),
        None => anyhow::Error::msg(text),
    };
    error::report(&failure, colour)
}

/// Where to learn more. Results that are `fetched` anyway need no hint.
pub(super) fn hints(job: &Job, fetched: bool) -> String {
    let id = &job.id;
    let mut text = format!(
        "\nTo get more details about the run, execute:\n\tbacalhau job describe {id}\n\
         \nTo get more details about the run executions, execute:\n\tbacalhau job executions {id}\n"
    );
    if !fetched && job.tasks.iter().any(|task| !task.publisher.kind.is_empty()) {
        text.push_str(&format!("\nTo download the results, execute:\n\tbacalhau job get {id}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(publisher: &str) -> Job {
        serde_json::from_value(json!({
            "ID": "j-1", "Tasks": [{"Publisher": {"Type": publisher}}],
            "State": {"StateType": "Failed", "Message": "exit code 3", "Details": {"Hint": "look at the logs"}}
        }))
        .unwrap()
    }

    #[test]
    fn failures_say_why_and_what_to_do() {
        assert_eq!(failure(&job(""), false), "\nError: job failed: exit code 3\nHint:  look at the logs");
    }

    #[test]
    fn the_last_error_of_a_job_that_was_tried_often_is_told() {
        let mut job = job("");
        job.state.message = "retried too many times".to_owned();
        for (key, value) in [("LastError", "exit code 3"), ("LastNode", "gw-7")] {
            job.state.details.insert(key.to_owned(), value.to_owned());
        }
        let expected =
            "\nError: job failed: retried too many times; the last error, on node gw-7: exit code 3\n";
        assert!(failure(&job, false).starts_with(expected), "{}", failure(&job, false));
    }

    #[test]
    fn downloads_are_offered_where_something_was_published() {
        assert!(hints(&job("local"), false).ends_with("\tbacalhau job get j-1\n"));
        assert!(!hints(&job(""), false).contains("job get"));
        assert!(!hints(&job("local"), true).contains("job get"));
    }

    #[test]
    fn the_way_back_to_the_job_is_shown() {
        let text = cut_short(Watched::TimedOut, "j-1", Some(Duration::from_secs(300)));
        assert!(text.starts_with("Progress tracking timed out after 5m0s. The job is still running."));
        assert!(text.contains("job describe j-1") && text.contains("job stop j-1"));
    }
}
