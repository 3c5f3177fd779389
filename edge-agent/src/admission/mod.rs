//! Whether this node takes a task: the bid. Refusals are results, with reasons for the person who wrote the job.

pub mod environment;

use bacalhau_protocol::model::{Resources, Task};
use bacalhau_protocol::wire::Work;

use crate::config::Admission;
use crate::executor::{Availability, Executors};
use crate::publisher::Publishers;
use crate::storage::Sources;
use environment::EnvAllowList;

/// What the node goes by.
pub struct Policy {
    /// Which jobs the operator refuses.
    pub admission: Admission,
    /// Engines.
    pub executors: Executors,
    /// Kinds of input source.
    pub sources: Sources,
    /// Publishers.
    pub publishers: Publishers,
    /// Host variables that tasks may have.
    pub env: EnvAllowList,
    /// All that is offered to jobs.
    pub capacity: Resources,
}

impl Policy {
    /// All reasons to refuse (texts of semantics.md 4.2); none means that the node takes it. Being busy is no reason.
    pub async fn refusals(&self, work: &Work) -> Vec<String> {
        let task = &work.task;
        let mut reasons = Vec::new();
        self.check_policy(task, &mut reasons);
        self.check_publisher(task, &mut reasons);
        self.check_sources(task, &mut reasons);
        self.check_engine(task, &mut reasons).await;
        self.check_environment(task, &mut reasons);
        if reasons.is_empty() {
            self.check_capacity(task, &mut reasons);
        }
        reasons
    }

    fn check_policy(&self, task: &Task, reasons: &mut Vec<String>) {
        if task.network.network_type.is_networked() && !self.admission.accept_networked {
            reasons.push(does_not("run jobs that require network access"));
        }
        if self.admission.reject_stateless && task.inputs.is_empty() {
            reasons.push(does_not("accept jobs without any input volumes"));
        }
    }

    fn check_publisher(&self, task: &Task, reasons: &mut Vec<String>) {
        let publisher = &task.publisher;
        if !publisher.is_none() && self.publishers.get(&publisher.kind).is_none() {
            reasons.push(does_not(&format!("support {:?}", publisher.kind)));
        }
    }

    fn check_sources(&self, task: &Task, reasons: &mut Vec<String>) {
        let mut remote = 0;
        for input in &task.inputs {
            match self.sources.get(&input.source.kind) {
                None => reasons.push(does_not(&format!("support {:?}", input.source.kind))),
                Some(source) => {
                    remote += usize::from(!source.is_local());
                    if let Err(error) = source.check(&input.source) {
                        reasons.push(format!("rejected bid: {error}"));
                    }
                }
            }
        }
        if self.admission.local_data_only && remote > 0 {
            reasons.push(does_not(&format!(
                "have all input data locally ({remote} inputs require downloading)"
            )));
        }
    }

    async fn check_engine(&self, task: &Task, reasons: &mut Vec<String>) {
        let kind = &task.engine.kind;
        match self.executors.get(kind) {
            None => reasons.push(does_not(&format!("support {kind:?}"))),
            Some(executor) => {
                if let Availability::Unavailable(why) = executor.availability().await {
                    reasons.push(does_not(&format!("support {kind:?}: {why}")));
                }
            }
        }
    }

    fn check_environment(&self, task: &Task, reasons: &mut Vec<String>) {
        for name in environment::forwarded(&task.env) {
            if !self.env.allows(name) {
                reasons.push(does_not(&format!(
                    "resolve environment variable {name}: it is not in Compute.Env.AllowList"
                )));
            }
        }
    }

    fn check_capacity(&self, task: &Task, reasons: &mut Vec<String>) {
        if !task.resources.fits(&self.capacity) {
            reasons.push(format!(
                "insufficient resources - requested: {}, available: {}",
                shown(&task.resources),
                shown(&self.capacity)
            ));
        }
    }
}

fn does_not(what: &str) -> String {
    format!("rejected bid: this node does not {what}")
}

/// Resources as people read them.
pub(crate) fn shown(resources: &Resources) -> String {
    let mb = |bytes: u64| bytes / 1_000_000;
    format!(
        "{{CPU: {}.{:03}, Memory: {} MB, Disk: {} MB, GPU: {}}}",
        resources.cpu_millis / 1000,
        resources.cpu_millis % 1000,
        mb(resources.memory_bytes),
        mb(resources.disk_bytes),
        resources.gpu
    )
}

#[cfg(test)]
mod tests;
