//! The same job again, as a new version.

use std::collections::BTreeMap;
use std::sync::Arc;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::{Event, JobState, topic};

use super::evaluate::evaluation;
use super::{ChangeError, Orchestrator, Submitted};
use crate::clock;
use crate::state::{Draft, LiveJob};

/// Why a job was not run again.
#[derive(Debug, thiserror::Error)]
pub enum RerunError {
    /// There is no such job.
    #[error("job not found: {0}")]
    NotFound(JobId),
    /// It has not run yet.
    #[error("cannot rerun job in state {}", .0.as_str())]
    NotYet(JobState),
    /// It could not be read or made durable.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl Orchestrator {
    /// Runs a version of a job again (the current one when `version` is absent), as its next version.
    pub async fn rerun(&self, id: &JobId, version: Option<u64>) -> Result<Submitted, RerunError> {
        let evaluation = evaluation();
        let older = match version {
            Some(version) => {
                Some(Arc::new(self.reader().spec(id, version).await.map_err(ChangeError::from)?))
            }
            None => None,
        };
        let change = |job: &LiveJob| {
            if matches!(job.head.state, JobState::Pending | JobState::Queued) {
                return Err(RerunError::NotYet(job.head.state));
            }
            let mut draft = Draft::change(job, clock::now());
            draft.next_version(older.unwrap_or_else(|| job.spec.clone()), "Job rerun requested");
            draft.record(None, rerun_event(&draft));
            Ok(draft)
        };
        let commit = self.revise(id, &evaluation, change).await?;
        commit.ok_or_else(|| RerunError::NotFound(id.clone()))?.durable().await?;
        Ok(Submitted { job_id: id.clone(), evaluation_id: evaluation.id })
    }
}

fn rerun_event(draft: &Draft) -> Event {
    Event {
        topic: topic::SUBMISSION.to_owned(),
        message: "Job rerun requested".to_owned(),
        at: draft.now(),
        details: BTreeMap::from([("Reason".to_owned(), "job rerun".to_owned())]),
    }
}
