//! A caller no longer wants a job.

use std::collections::BTreeMap;

use bacalhau_protocol::ids::{EvaluationId, JobId};
use bacalhau_protocol::model::{Event, JobState, topic};

use super::{ChangeError, Orchestrator};
use crate::scheduler::{Evaluation, Trigger};
use crate::state::{Draft, ReadError};
use crate::{clock, entropy};

/// What became of a request to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The job is stopped; its executions are being stopped.
    Now(EvaluationId),
    /// It had ended already and runs nowhere.
    Already,
}

/// Why a job was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// There is no such job.
    #[error("job not found: {0}")]
    NotFound(JobId),
    /// It has ended well.
    #[error("cannot stop job in state {}", .0.as_str())]
    Ended(JobState),
    /// It could not be made durable.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<ReadError> for StopError {
    fn from(error: ReadError) -> Self {
        Self::Change(error.into())
    }
}

impl Orchestrator {
    /// Stops a job. When this returns, that is on disk; the nodes hear it at once.
    pub async fn stop(&self, id: &JobId, reason: &str) -> Result<Stopped, StopError> {
        let evaluation = Evaluation {
            id: EvaluationId::from_random(entropy::bytes()),
            trigger: Trigger::JobCancel,
            seed: entropy::number(),
        };
        let commit = {
            let mut guard = self.world();
            let world = guard.get()?;
            match world.job(id) {
                Some(job) if !job.head.state.is_terminal() => {
                    let mut draft = Draft::change(job, clock::now());
                    draft.set_state(JobState::Stopped, reason.to_owned(), BTreeMap::new());
                    draft.record(None, stop_event(&draft, reason));
                    self.plan_as(world, &mut draft, &evaluation);
                    self.commit(world, &draft)
                }
                Some(job) => return already(job.head.state),
                None => {
                    drop(guard);
                    let head = self.reader().head(id).await?;
                    return already(head.ok_or_else(|| StopError::NotFound(id.clone()))?.state);
                }
            }
        };
        commit.durable().await?;
        Ok(Stopped::Now(evaluation.id))
    }
}

fn already(state: JobState) -> Result<Stopped, StopError> {
    match state {
        JobState::Stopped | JobState::Failed => Ok(Stopped::Already),
        other => Err(StopError::Ended(other)),
    }
}

fn stop_event(draft: &Draft, reason: &str) -> Event {
    Event {
        topic: topic::SCHEDULING.to_owned(),
        message: "Job requested to stop before completion".to_owned(),
        at: draft.now(),
        details: BTreeMap::from([("Reason".to_owned(), reason.to_owned())]),
    }
}
