//! Changing a job on a caller's behalf, whether it is in progress or has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use bacalhau_protocol::ids::JobId;

use super::{ChangeError, Commit, Orchestrator};
use crate::scheduler::Evaluation;
use crate::state::{Draft, LiveJob, World};

impl Orchestrator {
    /// Makes the change that `change` drafts, planned for; `None` if there is no such job. A job that has ended is read
    /// back for it. What `change` refuses is told only when the state it was refused for is durable.
    pub(super) async fn revise<E: From<ChangeError>>(
        &self,
        id: &JobId,
        evaluation: &Evaluation,
        change: impl FnOnce(&LiveJob) -> Result<Draft, E>,
    ) -> Result<Option<Commit>, E> {
        let revised = {
            let _one_at_a_time = self.inner.revival.lock().await;
            let ended = self.read_back(id).await?;
            let mut guard = self.world();
            let world = guard.get()?;
            if let Some(job) = ended.filter(|_| world.job(id).is_none()) {
                world.insert_job(job);
            }
            let revised = world.job(id).map(change).map(|draft| self.revise_as(world, draft?, evaluation));
            // If nothing came of it, it does not stay.
            world.settle(id);
            revised.transpose()
        };
        if revised.is_err() {
            self.caught_up().await?;
        }
        revised
    }

    fn revise_as<E: From<ChangeError>>(
        &self,
        world: &mut World,
        mut draft: Draft,
        evaluation: &Evaluation,
    ) -> Result<Commit, E> {
        self.plan_as(world, &mut draft, evaluation);
        Ok(self.commit(world, &draft)?)
    }

    /// A job that is not in memory, as it is stored: nothing of it may run, so its next version needs none of its
    /// executions. Its last change may still be queued, and what is read must not be
    /// older than what memory has left behind.
    async fn read_back(&self, id: &JobId) -> Result<Option<LiveJob>, ChangeError> {
        if self.world().get()?.job(id).is_some() {
            return Ok(None);
        }
        self.caught_up().await?;
        let Some(head) = self.reader().head(id).await? else { return Ok(None) };
        let spec = self.reader().spec(id, head.version).await?;
        Ok(Some(LiveJob::new(Arc::new(head), Arc::new(spec), BTreeMap::new())))
    }
}
