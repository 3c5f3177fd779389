//! The operator's own checks: a command and a URL that are given each job (config.md section 7).

mod exec;
mod http;
mod question;

use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::wire::Work;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config;

/// The operator's checks.
#[derive(Clone, Debug)]
pub struct Probes {
    exec: Option<String>,
    http: Option<String>,
    clock: Clock,
    /// Answers awaited at a time.
    running: Arc<Semaphore>,
}

/// Probes asked at a time; more jobs wait.
const MAX_RUNNING: usize = 4;
/// Longest wait for the answer of one probe.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a reason; the rest is cut off.
const MAX_REASON_BYTES: usize = 1024;

impl Probes {
    /// Those of the configuration.
    pub fn new(policy: &config::Admission, clock: Clock) -> Self {
        Self {
            exec: policy.probe_exec.clone(),
            http: policy.probe_http.clone(),
            clock,
            running: Arc::new(Semaphore::new(MAX_RUNNING)),
        }
    }

    /// What this node does not do, as every refusal says it. A probe that cannot be asked refuses.
    pub(super) async fn refusals(&self, node: &NodeId, work: &Work) -> Vec<String> {
        if self.exec.is_none() && self.http.is_none() {
            return Vec::new();
        }
        // Never closed.
        let Ok(_permit) = self.running.acquire().await else { return Vec::new() };
        let question = question::about(node, work);
        let mut refusals = Vec::new();
        if let Some(command) = &self.exec {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, exec::ask(command, &question)).await;
            refusals.extend(refusal("ProbeExec", answer.unwrap_or_else(|_| late())));
        }
        if let Some(url) = &self.http {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, http::ask(&self.clock, url, &question)).await;
            refusals.extend(refusal("ProbeHTTP", answer.unwrap_or_else(|_| late())));
        }
        refusals
    }
}

fn late() -> Result<(), String> {
    Err(format!("no answer within {} seconds", ANSWER_TIMEOUT.as_secs()))
}

fn refusal(probe: &str, answer: Result<(), String>) -> Option<String> {
    let reason = answer.err()?;
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason: String = reason[..end].trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(format!("accept this job (JobAdmissionControl.{probe}): {reason}"))
}

#[cfg(test)]
mod tests;
