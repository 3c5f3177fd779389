//! Executions in the states tests begin with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::{ExecutionId, JobId};
use bacalhau_protocol::model::{
    DesiredState, JobType, Network, Observation, ObservedState, Resources, RunOutput, SpecConfig, Task,
    Timeouts,
};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::{Wish, Work};

use super::{Effect, Event, Execution, Now, TaskEnd};

pub(crate) fn at(millis: u64) -> Now {
    let elapsed = Duration::from_millis(millis);
    Now { elapsed, time: Timestamp(1_800_000_000_000_000_000).after(elapsed) }
}

pub(crate) fn wish(job_type: JobType) -> Wish {
    Wish {
        execution_id: ExecutionId::from_random([7; 16]),
        generation: 1,
        desired: DesiredState::Running,
        reason: String::new(),
        seen: ObservedState::Unheard,
        work: Some(Box::new(work(job_type))),
    }
}

pub(crate) fn work(job_type: JobType) -> Work {
    Work {
        job_id: JobId::from_random([1; 16]),
        job_name: "survey".into(),
        namespace: "default".into(),
        job_type,
        job_version: 1,
        priority: 0,
        partition: 0,
        count: if job_type.is_everywhere() { 0 } else { 1 },
        task: task(),
    }
}

fn task() -> Task {
    Task {
        name: "main".into(),
        engine: SpecConfig { kind: "wasm".into(), params: String::new() },
        publisher: SpecConfig::default(),
        env: BTreeMap::new(),
        meta: BTreeMap::new(),
        inputs: Vec::new(),
        results: Vec::new(),
        resources_text: Default::default(),
        resources: Resources::default(),
        network: Network::default(),
        timeouts: Timeouts::default(),
    }
}

pub(super) fn execution(job_type: JobType) -> Execution {
    Execution::accept(wish(job_type)).expect("a first wish is taken").0
}

pub(super) fn with_timeout(job_type: JobType, execution_s: u64) -> Execution {
    let mut execution = execution(job_type);
    Arc::make_mut(&mut execution.work).task.timeouts.execution_s = execution_s;
    execution
}

pub(super) fn published_to(kind: &str, mut execution: Execution) -> Execution {
    Arc::make_mut(&mut execution.work).task.publisher.kind = kind.into();
    execution
}

pub(super) fn preparing(job_type: JobType) -> Execution {
    let mut execution = execution(job_type);
    execution.step(Event::Admitted, at(0));
    execution.step(Event::SlotGranted, at(0));
    execution
}

pub(super) fn running(job_type: JobType) -> Execution {
    let mut execution = preparing(job_type);
    execution.step(Event::InputsReady, at(0));
    execution.step(Event::Started, at(0));
    execution
}

pub(super) fn exited(exit_code: i32) -> TaskEnd {
    TaskEnd::Exited(RunOutput { exit_code, ..RunOutput::default() })
}

pub(super) fn observation(effect: &Effect) -> &Observation {
    match effect {
        Effect::Observe(observation) => observation,
        other => panic!("expected an observation, found {other:?}"),
    }
}
