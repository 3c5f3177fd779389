//! The sentences people and clients read (semantics.md 1.6, 1.15, 2.5), each in one place.

use std::fmt::Write as _;
use std::time::Duration;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::Resources;
use bacalhau_protocol::model::execution::TIMED_OUT;

use super::plan::{Explanation, Rejection};

/// Job: a partition failed as often as it may.
pub(super) const RETRIED_TOO_OFTEN: &str = "Job failed because it has been retried too many times";
/// Job: something failed that is not tried again.
pub(super) const EXECUTIONS_FAILED: &str = "Job failed because one or more executions failed";
/// Hint beside both timeouts.
pub(super) const TIMEOUT_HINT: &str = "Increase the task timeout or allocate more resources";
/// A node that refused the job; followed by what it said.
pub(super) const REJECTED: &str = "job rejected";

/// Execution: its node was rejected.
pub const NODE_REJECTED: &str = "Execution stop requested because node has been rejected";
/// Execution: its node was deleted.
pub const NODE_DELETED: &str = "Execution stop requested because node has been deleted";
const NODE_DISAPPEARED: &str = "Execution stop requested because node has disappeared";
const UNREACHABLE: &str = "node unreachable";

/// Why an execution is no longer wanted. Kept as text in the execution's desired message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    JobStopped,
    JobFailed,
    Updated,
    Surplus,
    /// A daemon whose node's labels changed.
    NoMatch,
    NodeDisappeared,
    NodeRejected,
    /// An ops target that was never heard of.
    Unreachable,
    TimedOut(Duration),
}

impl StopReason {
    pub(super) fn text(self) -> String {
        match self {
            Self::TimedOut(limit) => {
                format!("{TIMED_OUT}. Execution took longer than {}", duration(limit))
            }
            fixed => fixed.fixed_text().to_owned(),
        }
    }

    /// Whether a desired message says that the execution was given up because its node cannot be reached or may not take
    /// part. What a node says of itself is no such message.
    pub(super) fn tells_lost(desired_message: &str) -> bool {
        [NODE_DISAPPEARED, NODE_REJECTED, NODE_DELETED, UNREACHABLE].contains(&desired_message)
    }

    fn fixed_text(self) -> &'static str {
        match self {
            Self::JobStopped => "Execution stop requested because job has been stopped",
            Self::JobFailed => "Execution stopped due to job failure",
            Self::Updated => "Execution stopped for job update",
            Self::Surplus => "Execution stop requested because there are more executions than needed",
            Self::NoMatch => "Execution stop requested because node no longer matches",
            Self::NodeDisappeared => NODE_DISAPPEARED,
            Self::NodeRejected => NODE_REJECTED,
            Self::Unreachable => UNREACHABLE,
            Self::TimedOut(_) => TIMED_OUT,
        }
    }
}

pub(super) fn job_timed_out(limit: Duration) -> String {
    format!("Job timed out. Job took longer than {}", duration(limit))
}

pub(super) fn requested_on(node: &NodeId) -> String {
    format!("Requested execution on {}", node.short())
}

pub(super) fn queued(reason: &str) -> String {
    format!("Job queued. {reason}")
}

/// Batch and service jobs.
pub(super) fn not_enough_nodes(explanation: &Explanation) -> String {
    let Explanation { requested, available, suitable, .. } = explanation;
    let head = format!(
        "not enough nodes to run job. requested: {requested}, available: {available}, suitable: {suitable}."
    );
    head + &reason_lines(explanation)
}

/// Ops and daemon jobs.
pub(super) fn no_matching_nodes(explanation: &Explanation) -> String {
    let head = format!("not matching nodes to run job out of {} available nodes.", explanation.available);
    head + &reason_lines(explanation)
}

/// One line per reason, in the order of the reasons.
pub(super) fn reason_lines(explanation: &Explanation) -> String {
    let total = explanation.rejected();
    let line = |(reason, rejection): (&String, &Rejection)| match rejection.nodes {
        1 => format!("\n• Node {}: {reason}", rejection.example.short()),
        nodes => format!("\n• {nodes} of {total} nodes: {reason}"),
    };
    let mut lines: String = explanation.rejections.iter().map(line).collect();
    if explanation.others > 0 {
        let _ = write!(lines, "\n• {} of {total} nodes: other reasons", explanation.others);
    }
    lines
}

/// As Go prints durations of whole seconds: `1h0m0s`, `1m30s`, `5s`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

/// `{CPU: 3.2, Memory: 1.0 GB, Disk: 20 GB, GPU: 0}`.
pub(super) fn resources(resources: &Resources) -> String {
    format!(
        "{{CPU: {}, Memory: {}, Disk: {}, GPU: {}}}",
        cores(resources.cpu_millis),
        bytes(resources.memory_bytes),
        bytes(resources.disk_bytes),
        resources.gpu
    )
}

/// Thousandths of a core as cores, without needless zeros.
pub(super) fn cores(millis: u64) -> String {
    if millis.is_multiple_of(1000) {
        return (millis / 1000).to_string();
    }
    format!("{}.{:03}", millis / 1000, millis % 1000).trim_end_matches('0').to_owned()
}

/// A size in powers of 1000 with two significant digits below ten: `999 B`, `1.0 GB`, `512 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut unit, mut scale) = (0, 1_u64);
    while unit + 1 < UNITS.len() && bytes / scale >= 1000 {
        (unit, scale) = (unit + 1, scale * 1000);
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    match (unit, tenths) {
        (0, _) => format!("{bytes} B"),
        (_, ..100) => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", (tenths + 5) / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        let shown = [5, 90, 3600, 3661].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(shown, ["5s", "1m30s", "1h0m0s", "1h1m1s"]);
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!([8000, 3200, 500, 250].map(cores), ["8", "3.2", "0.5", "0.25"]);
        assert_eq!(
            [0, 999, 1000, 512_000_000, 1_073_741_824, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.0 kB", "512 MB", "1.1 GB", "18 EB"]
        );
    }

    #[test]
    fn lost_executions_are_recognised_by_what_was_written() {
        for reason in [StopReason::NodeDisappeared, StopReason::NodeRejected, StopReason::Unreachable] {
            assert!(StopReason::tells_lost(&reason.text()));
        }
        for reason in [StopReason::JobStopped, StopReason::Surplus, StopReason::TimedOut(Duration::ZERO)] {
            assert!(!StopReason::tells_lost(&reason.text()));
        }
        assert!(StopReason::tells_lost(NODE_DELETED));
    }
}
