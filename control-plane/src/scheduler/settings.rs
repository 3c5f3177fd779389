//! What a cluster may choose about scheduling.

use std::time::Duration;

/// The scheduler's limits and patience. Every count and time it uses is here or in the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a batch or service job that runs nothing waits for a node before it fails, unless it says itself.
    pub queue_timeout: Duration,
    /// How often a job that waits for nodes is looked at again although nothing happened.
    pub queue_backoff: Duration,
    /// How often one partition of a batch job may fail before the job does; at least 1.
    pub attempts: u32,
    /// Pause after the first failure of a partition, or of a daemon on a node; doubles with each further one.
    pub retry_first: Duration,
    /// Longest such pause.
    pub retry_max: Duration,
    /// Failures older than this count no more against a node, and an execution that lived this long does not stretch
    /// the pause.
    pub failure_memory: Duration,
    /// How long a node that refused a job is not asked again.
    pub refusal_memory: Duration,
    /// How long a silent node keeps batch and service executions before they are placed elsewhere, and how long
    /// after its last word it still counts as a reachable target of an ops job.
    pub silence: Duration,
    /// How long an ops job without a total timeout waits for an answer of a node that fell silent.
    pub ops_silence: Duration,
    /// How long past its execution timeout a running execution is left alone, so that its node ends it first.
    pub timeout_grace: Duration,
    /// How much of a service or daemon may be down for the sake of an update, percent; one execution at least.
    pub update_percent: u64,
    /// How much batch and service work a node may be given, percent of its capacity; what exceeds 100 waits in the
    /// node's own queue. At least 100.
    pub oversubscription_percent: u64,
    /// Among how many suitable nodes the best is chosen for a batch or service partition; at least 1.
    pub sample_nodes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_timeout: Duration::from_secs(600),
            queue_backoff: Duration::from_secs(60),
            attempts: 2,
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            failure_memory: Duration::from_secs(3600),
            refusal_memory: Duration::from_secs(300),
            silence: Duration::from_secs(60),
            ops_silence: Duration::from_secs(600),
            timeout_grace: Duration::from_secs(120),
            update_percent: 25,
            oversubscription_percent: 150,
            sample_nodes: 16,
        }
    }
}
