//! A caller no longer wants a job.

use std::collections::BTreeMap;

use bacalhau_protocol::ids::{EvaluationId, JobId};
use bacalhau_protocol::model::{Event, JobState, topic};

use super::evaluate::evaluation;
use super::{ChangeError, Commit, Orchestrator};
use crate::clock;
use crate::scheduler::Evaluation;
use crate::state::{Draft, ReadError};

/// What became of a request to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The job is stopped; its executions are being stopped.
    Now(EvaluationId),
    /// It had been stopped already and runs nowhere.
    Already,
}

/// Why a job was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// There is no such job.
    #[error("job not found: {0}")]
    NotFound(JobId),
    /// It has ended by itself.
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
        let evaluation = evaluation();
        match self.stop_in_progress(id, reason, &evaluation)? {
            InProgress::Stopping(commit) => {
                commit.durable().await?;
                Ok(Stopped::Now(evaluation.id))
            }
            InProgress::Ended(state, told) => {
                told.durable().await?;
                already(state)
            }
            // Its end may be on its way to where it is read.
            InProgress::No(told) => {
                told.durable().await?;
                let head = self.reader().head(id).await?;
                already(head.ok_or_else(|| StopError::NotFound(id.clone()))?.state)
            }
        }
    }

    fn stop_in_progress(
        &self,
        id: &JobId,
        reason: &str,
        evaluation: &Evaluation,
    ) -> Result<InProgress, ChangeError> {
        let mut guard = self.world();
        let world = guard.get()?;
        let Some(job) = world.job(id) else { return Ok(InProgress::No(self.barrier()?)) };
        if job.head.state.is_terminal() {
            return Ok(InProgress::Ended(job.head.state, self.barrier()?));
        }
        let mut draft = Draft::change(job, clock::now());
        draft.set_state(JobState::Stopped, reason.to_owned(), BTreeMap::new());
        draft.record(None, stop_event(&draft, reason));
        self.plan_as(world, &mut draft, evaluation);
        Ok(InProgress::Stopping(self.commit(world, &draft)?))
    }
}

/// Where the world has a job that is to be stopped; wait for the commit before anything is told of it.
enum InProgress {
    Stopping(Commit),
    Ended(JobState, Commit),
    No(Commit),
}

fn already(state: JobState) -> Result<Stopped, StopError> {
    match state {
        JobState::Stopped => Ok(Stopped::Already),
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
