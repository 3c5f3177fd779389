//! The same job again, as a new version.

use std::collections::BTreeMap;
use std::sync::Arc;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::{Event, JobState, topic};

use super::evaluate::evaluation;
use super::{ChangeError, Orchestrator, Submitted};
use crate::clock;
use crate::state::Draft;

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
        let _one_at_a_time = self.inner.revival.lock().await;
        self.revive(id).await?;
        let current = self.world().get()?.job(id).map(|job| job.head.version);
        let current = current.ok_or_else(|| RerunError::NotFound(id.clone()))?;
        let spec = self.reader().spec(id, version.unwrap_or(current)).await.map_err(ChangeError::from)?;
        let commit = {
            let mut guard = self.world();
            let world = guard.get()?;
            let job = world.job(id).ok_or_else(|| RerunError::NotFound(id.clone()))?;
            if matches!(job.head.state, JobState::Pending | JobState::Queued) {
                return Err(RerunError::NotYet(job.head.state));
            }
            let mut draft = Draft::change(job, clock::now());
            draft.next_version(Arc::new(spec), "Job rerun requested");
            draft.record(None, rerun_event(&draft));
            self.plan_as(world, &mut draft, &evaluation);
            self.commit(world, &draft)?
        };
        commit.durable().await?;
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
