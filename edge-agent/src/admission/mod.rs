//! Whether this node takes an execution: all policies first, then its size.
//!
//! Every refusal is told at once, so that a user who fixes one does not find the next. The operator's own checks, a
//! command or a URL, are asked only about jobs that pass the policies.

mod probe;
mod size;
#[cfg(test)]
mod tests;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{InputSource, Resources, Task};
use bacalhau_protocol::wire::Work;
use futures_util::future::join_all;

use crate::chain::chain;
use crate::config;
use crate::environment::HostVariables;
use crate::executor::{Availability, Executors};
use crate::publisher::Publishers;
use crate::storage::Storages;

pub use probe::Probes;
pub use size::usage;

/// What a refusal begins with (semantics.md 4.2).
const REFUSAL: &str = "rejected bid: this node does not";

/// What decides.
#[derive(Clone)]
pub struct Admission {
    /// The operator's policies.
    pub policy: config::Admission,
    /// The operator's own checks.
    pub probes: Probes,
    /// The engines there are.
    pub executors: Executors,
    /// The kinds of source there are.
    pub storages: Storages,
    /// The publishers there are.
    pub publishers: Publishers,
    /// What of the host's environment may be forwarded.
    pub host_variables: HostVariables,
}

impl Admission {
    /// Says no with all reasons, joined by "; ". `capacity` is all the node offers; being busy is no reason.
    pub async fn decide(&self, node: &NodeId, work: &Work, capacity: &Resources) -> Result<(), String> {
        let task = &work.task;
        let mut refusals = self.policies(task).await;
        if refusals.is_empty() {
            refusals.extend(self.probes.refusals(node, work).await);
        }
        refusals.extend(self.engine(task).await);
        refusals.extend(self.environment(task));
        let mut reasons: Vec<String> =
            refusals.into_iter().map(|refusal| format!("{REFUSAL} {refusal}")).collect();
        if reasons.is_empty() {
            reasons.extend(size::too_large(&usage(task), capacity));
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
    }

    async fn policies(&self, task: &Task) -> Vec<String> {
        let sources = join_all(task.inputs.iter().map(|input| self.source(input))).await;
        [self.networking(task), self.stateless(task), self.publisher(task)]
            .into_iter()
            .chain(sources)
            .chain([self.locality(task)])
            .flatten()
            .collect()
    }

    fn networking(&self, task: &Task) -> Option<String> {
        (task.network.network_type.is_networked() && !self.policy.accept_networked)
            .then(|| "run jobs that require network access".to_owned())
    }

    fn stateless(&self, task: &Task) -> Option<String> {
        (task.inputs.is_empty() && self.policy.reject_stateless)
            .then(|| "accept jobs without any input volumes".to_owned())
    }

    fn publisher(&self, task: &Task) -> Option<String> {
        let publisher = &task.publisher;
        (!publisher.is_none() && self.publishers.get(&publisher.kind).is_none())
            .then(|| format!("support {:?}", publisher.kind))
    }

    async fn source(&self, input: &InputSource) -> Option<String> {
        let Some(storage) = self.storages.get(&input.source.kind) else {
            return Some(format!("support {:?}", input.source.kind));
        };
        let error = storage.check(&input.source).await.err()?;
        Some(format!("accept the input for {}: {}", input.target, chain(&*error)))
    }

    fn locality(&self, task: &Task) -> Option<String> {
        let is_remote = |input: &&InputSource| {
            !self.storages.get(&input.source.kind).is_some_and(|storage| storage.is_local(&input.source))
        };
        let remote = task.inputs.iter().filter(is_remote).count();
        (self.policy.local_data_only && remote > 0)
            .then(|| format!("have all input data locally ({remote} inputs require downloading)"))
    }

    async fn engine(&self, task: &Task) -> Option<String> {
        let kind = &task.engine.kind;
        let Some(executor) = self.executors.get(kind) else { return Some(format!("support {kind:?}")) };
        match executor.availability().await {
            Availability::Ready => executor.check(task).await.err(),
            Availability::Unavailable(reason) => Some(format!("support {kind:?}: {reason}")),
        }
    }

    fn environment(&self, task: &Task) -> Vec<String> {
        let refuse = |(name, value): (&String, &String)| {
            let error = self.host_variables.check(value).err()?;
            Some(format!("resolve environment variable {name}: {error}"))
        };
        task.env.iter().filter_map(refuse).collect()
    }
}
