//! A job comes in: new, or the next version of one that holds its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bacalhau_protocol::ids::{EvaluationId, JobId};
use bacalhau_protocol::model::{Event, Job, JobSpec, JobState, JobType, may_change, topic};
use bacalhau_protocol::time::Timestamp;

use super::evaluate::evaluation;
use super::{ChangeError, Orchestrator};
use crate::scheduler::Evaluation;
use crate::state::{Draft, LiveJob};
use crate::store::TxnError;
use crate::{clock, entropy};

/// How often a submission is tried again when another one took its name in between.
const MAX_TRIES: usize = 3;

/// A job as a caller wants it: decoded, with defaults, checked.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The name; the id when absent.
    pub name: Option<String>,
    /// The namespace.
    pub namespace: String,
    /// An id of the caller's choice (service and daemon jobs).
    pub custom_id: Option<JobId>,
    /// What to do.
    pub spec: JobSpec,
    /// Client id of the caller; empty when anonymous.
    pub submitter: String,
    /// Make a new version even when nothing changed.
    pub force: bool,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The job.
    pub job_id: JobId,
    /// The evaluation that planned it.
    pub evaluation_id: EvaluationId,
}

/// Why a job was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The same specification is the current version.
    #[error("no changes detected for new job spec. Job Name: '{name}', Job Id: '{id}'")]
    Unchanged {
        /// The name.
        name: String,
        /// The job that holds it.
        id: JobId,
    },
    /// An update may not change the type.
    #[error(
        "job '{name}' is of type {is} and cannot become one of type {wanted}; submit the new one under another name",
        is = is.as_str(), wanted = wanted.as_str()
    )]
    TypeChanged {
        /// The name.
        name: String,
        /// Its type.
        is: JobType,
        /// The type asked for.
        wanted: JobType,
    },
    /// The chosen id belongs to a job of another name.
    #[error("job already exists: {0}")]
    IdTaken(JobId),
    /// The job that holds the name is another client's.
    #[error("the job was submitted by another client")]
    Foreign,
    /// It could not be made durable.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl Orchestrator {
    /// Takes a job in. When this returns, the job, its evaluation's plan and its history are on disk.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        for _ in 1..MAX_TRIES {
            match self.try_submit(&submission).await? {
                Some(submitted) => return Ok(submitted),
                None => {
                    tracing::debug!(name = ?submission.name, "name taken or given up in between, looking again");
                    // A chosen id is looked up in the store, which the job that took it may not have reached yet.
                    self.caught_up().await?;
                }
            }
        }
        self.try_submit(&submission).await?.ok_or_else(|| ChangeError::Recovering.into())
    }

    /// `None` when another submission took the name in between, or the job that held it was forgotten.
    async fn try_submit(&self, submission: &Submission) -> Result<Option<Submitted>, SubmitError> {
        match self.holder(submission).await? {
            Some(id) => self.update(&id, submission, evaluation()).await,
            None => self.create(submission, evaluation()).await,
        }
    }

    /// The job that a submission is an update of.
    async fn holder(&self, submission: &Submission) -> Result<Option<JobId>, SubmitError> {
        if let Some(name) = &submission.name {
            if let Some(id) = self.world().get()?.named(&submission.namespace, name) {
                return Ok(Some(id.clone()));
            }
            if let Some(id) =
                self.reader().named(&submission.namespace, name).await.map_err(ChangeError::from)?
            {
                return Ok(Some(id));
            }
            if let Some(id) = JobId::parse(name).ok().filter(JobId::is_generated) {
                return self.holder_of_own_id(id, submission).await;
            }
        }
        let Some(id) = &submission.custom_id else { return Ok(None) };
        let Some(head) = self.reader().head(id).await.map_err(ChangeError::from)? else { return Ok(None) };
        match &submission.name {
            Some(name) if *name != head.name => Err(SubmitError::IdTaken(id.clone())),
            _ => Ok(Some(head.id)),
        }
    }

    /// A job that nobody named has its id as name, and only it may.
    async fn holder_of_own_id(
        &self,
        id: JobId,
        submission: &Submission,
    ) -> Result<Option<JobId>, SubmitError> {
        match self.reader().head(&id).await.map_err(ChangeError::from)? {
            Some(head) if head.name == id.as_str() && head.namespace == submission.namespace => Ok(Some(id)),
            Some(_) => Err(SubmitError::IdTaken(id)),
            None => Ok(None),
        }
    }

    async fn create(
        &self,
        submission: &Submission,
        evaluation: Evaluation,
    ) -> Result<Option<Submitted>, SubmitError> {
        let now = clock::now();
        let id = submission.custom_id.clone().unwrap_or_else(|| JobId::from_random(entropy::bytes()));
        let mut draft = Draft::create(new_head(&id, submission, now), Arc::new(submission.spec.clone()), now);
        draft.record(None, submitted_event("Job submitted", now));
        let commit = {
            let mut guard = self.world();
            let world = guard.get()?;
            if world.named(&draft.head.namespace, &draft.head.name).is_some() || world.job(&id).is_some() {
                return Ok(None);
            }
            self.plan_as(world, &mut draft, &evaluation);
            self.commit_new(world, &draft)?
        };
        match commit.outcome().await {
            Ok(()) => {}
            Err(TxnError::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(ChangeError::from(error).into()),
        }
        Ok(Some(Submitted { job_id: id, evaluation_id: evaluation.id }))
    }

    async fn update(
        &self,
        id: &JobId,
        submission: &Submission,
        evaluation: Evaluation,
    ) -> Result<Option<Submitted>, SubmitError> {
        let change = |job: &LiveJob| {
            check_update(job, submission)?;
            let mut draft = Draft::change(job, clock::now());
            draft.next_version(Arc::new(submission.spec.clone()), "Job update requested by user");
            draft.record(None, submitted_event("Job updated", draft.now()));
            Ok::<_, SubmitError>(draft)
        };
        let Some(commit) = self.revise(id, &evaluation, change).await? else { return Ok(None) };
        commit.durable().await?;
        Ok(Some(Submitted { job_id: id.clone(), evaluation_id: evaluation.id }))
    }
}

fn new_head(id: &JobId, submission: &Submission, now: Timestamp) -> Job {
    Job {
        id: id.clone(),
        name: submission.name.clone().unwrap_or_else(|| id.to_string()),
        namespace: submission.namespace.clone(),
        submitter: submission.submitter.clone(),
        job_type: submission.spec.job_type,
        version: 1,
        state: JobState::Pending,
        message: String::new(),
        details: BTreeMap::new(),
        revision: 1,
        history: 0,
        created: now,
        version_created: now,
        modified: now,
        ended: None,
        targets_fixed: false,
    }
}

fn check_update(job: &LiveJob, submission: &Submission) -> Result<(), SubmitError> {
    let name = || job.head.name.clone();
    if !may_change(&job.head.submitter, &submission.submitter) {
        return Err(SubmitError::Foreign);
    }
    if job.head.job_type != submission.spec.job_type {
        return Err(SubmitError::TypeChanged {
            name: name(),
            is: job.head.job_type,
            wanted: submission.spec.job_type,
        });
    }
    if !submission.force && same(&job.spec, &submission.spec) {
        return Err(SubmitError::Unchanged { name: name(), id: job.head.id.clone() });
    }
    Ok(())
}

/// Equal but for what the server writes itself.
fn same(old: &JobSpec, new: &JobSpec) -> bool {
    let without_server_notes = |spec: &JobSpec| {
        let mut spec = spec.clone();
        spec.meta.retain(|key, _| !key.starts_with("bacalhau.org/"));
        spec
    };
    without_server_notes(old) == without_server_notes(new)
}

fn submitted_event(message: &str, at: Timestamp) -> Event {
    Event { topic: topic::SUBMISSION.to_owned(), message: message.to_owned(), at, details: BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::wire::record::{self, Kind};

    use super::*;

    #[test]
    fn nobody_updates_the_job_of_another_client() {
        let head = include_bytes!("../../../protocol/golden/record-job.bin");
        let spec = include_bytes!("../../../protocol/golden/record-job-spec.bin");
        let head: Job = record::decode(Kind::Job, head).unwrap();
        let spec: JobSpec = record::decode(Kind::JobSpec, spec).unwrap();
        let spec = JobSpec { job_type: head.job_type, ..spec };
        let update = |owner: &str, submitter: &str| {
            let head = Job { submitter: owner.to_owned(), ..head.clone() };
            let submission = Submission {
                name: Some(head.name.clone()),
                namespace: head.namespace.clone(),
                custom_id: None,
                spec: spec.clone(),
                submitter: submitter.to_owned(),
                force: true,
            };
            check_update(&LiveJob::new(Arc::new(head), Arc::new(spec.clone()), BTreeMap::new()), &submission)
        };
        assert!(matches!(update("alice", ""), Err(SubmitError::Foreign)));
        assert!(matches!(update("alice", "bob"), Err(SubmitError::Foreign)));
        assert!(update("alice", "alice").is_ok() && update("", "bob").is_ok());
    }
}
