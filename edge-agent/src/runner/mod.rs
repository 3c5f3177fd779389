//! Does what executions ask for: inputs, tasks, results, clean-up.
//!
//! Each method is one activity of one execution. Activities end early when they are told to stop, and dropping one
//! gives it up.

mod directories;
mod output;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{InputSource, SpecConfig, topic};
use bacalhau_protocol::wire::Work;
use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use crate::chain::chain;
use crate::environment::{self, HostVariables};
use crate::execution::{Advice, TaskEnd};
use crate::executor::{
    Adopted, Executor, Executors, Kept, Mount, Notes, Outcome, OutputSize, RunningTask, StartError, TaskRun,
};
use crate::logs::Outputs;
use crate::ports::{Assigned, Ports};
use crate::publisher::{Publishers, Results};
use crate::signal::stopped;
use crate::storage::{Partition, Prepared, Storages, Wanted};

pub use crate::signal::StopSignal;
pub use directories::{Directories, Error as DirectoryError};

/// Inputs that are brought at the same time, over all executions of the node.
pub const MAX_PARALLEL_INPUTS: usize = 4;
/// Most bytes kept of each of stdout and stderr of a task that ends; the rest is dropped.
pub const OUTPUT_BYTES: u64 = 1 << 30;
/// The same for a task that runs until it is stopped, whose oldest output is dropped.
pub const LONG_RUNNING_OUTPUT_BYTES: u64 = 16 << 20;

/// How publishing went wrong, or that it was stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum PublishEnd {
    /// With the whole story.
    Failed(String),
    /// It was told to end.
    Stopped,
}

/// Performs activities. Shared by all executions.
pub struct Runner {
    executors: Executors,
    storages: Storages,
    publishers: Publishers,
    host_variables: HostVariables,
    directories: Directories,
    outputs: Outputs,
    ports: Ports,
    inputs: Semaphore,
}

impl Runner {
    /// With everything the node can do.
    pub fn new(
        executors: Executors,
        storages: Storages,
        publishers: Publishers,
        host_variables: HostVariables,
        directories: Directories,
        ports: Ports,
    ) -> Self {
        let inputs = Semaphore::new(MAX_PARALLEL_INPUTS);
        Self {
            executors,
            storages,
            publishers,
            host_variables,
            directories,
            outputs: Outputs::default(),
            ports,
            inputs,
        }
    }

    /// Who writes output now.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Where executions keep their files.
    pub fn directories(&self) -> &Directories {
        &self.directories
    }

    /// The execution will run, or go on running.
    pub fn expect(&self, id: &ExecutionId) {
        self.outputs.expect(id);
        self.directories.claim(id);
    }

    /// All executions of an earlier process are expected: removes what belongs to none of them. Blocks on the disk.
    pub fn sweep(&self) {
        if let Err(error) = self.directories.sweep() {
            tracing::warn!(%error, "files of executions that are no more cannot be removed");
        }
    }

    /// Makes what the execution needs and brings its inputs.
    pub async fn prepare(
        &self,
        id: &ExecutionId,
        work: &Work,
        mut stop: StopSignal,
    ) -> Result<TaskRun, TaskEnd> {
        tokio::select! {
            prepared = self.bring(id, work) => {
                prepared.map_err(|message| {
                    TaskEnd::NotStarted { topic: topic::PREPARING, message, advice: Advice::default() }
                })
            }
            _ = stopped(&mut stop) => Err(TaskEnd::Stopped(None)),
        }
    }

    /// Starts the task and waits for its end. `started` is awaited once it runs.
    pub async fn run(
        &self,
        id: &ExecutionId,
        engine: &str,
        mut run: TaskRun,
        mut stop: StopSignal,
        started: impl Future<Output = ()> + Send,
    ) -> TaskEnd {
        let not_started =
            |message| TaskEnd::NotStarted { topic: topic::RUNNING, message, advice: Advice::default() };
        let results_dir = run.results_dir.clone();
        let Some(executor) = self.executors.get(engine) else {
            return not_started(format!("this node has no engine {engine:?} any more"));
        };
        let _held = HeldPorts { ports: &self.ports, id };
        match self.ports.assign(id, &run.network) {
            Ok(ports) => {
                run.environment.extend(ports.iter().flat_map(Assigned::variables));
                run.ports = ports;
            }
            Err(error) => return not_started(error.to_string()),
        }
        let task = tokio::select! {
            task = executor.start(run) => task,
            reason = stopped(&mut stop) => Err(StartError::Stopped(reason)),
        };
        match task {
            Ok(task) => {
                self.outputs.began(id, task.output());
                started.await;
                let output = task.output();
                let outcome = wait(task, stop).await;
                let written = *output.borrow();
                end(&results_dir, written, outcome).await
            }
            Err(StartError::Stopped(_)) => TaskEnd::Stopped(None),
            Err(StartError::Task(error) | StartError::Node(error)) => not_started(chain(&*error)),
            Err(StartError::Scan { error, code, hint }) => TaskEnd::NotStarted {
                topic: topic::EXEC_SCANNING,
                message: chain(&*error),
                advice: Advice { code: code.to_owned(), hint },
            },
        }
    }

    /// Takes over the task that an earlier agent process started and waits for its end; `None` if nothing is left of it.
    /// `adopted` is awaited once it is found, with the time it has run.
    pub async fn adopt(
        &self,
        id: &ExecutionId,
        work: &Work,
        notes: Notes,
        mut stop: StopSignal,
        adopted: impl AsyncFnOnce(Duration) + Send,
    ) -> Option<TaskEnd> {
        let executor = self.executors.get(&work.task.engine.kind)?;
        let run = TaskRun { notes, ..self.task_run(id, work) };
        let results_dir = run.results_dir.clone();
        let found = tokio::select! {
            found = executor.adopt(run) => found,
            _ = stopped(&mut stop) => return Some(TaskEnd::Stopped(None)),
        };
        match found {
            Ok(Some(Adopted { task, ran_for, ports })) => {
                let _held = HeldPorts { ports: &self.ports, id };
                self.ports.claim(id, ports);
                self.outputs.began(id, task.output());
                adopted(ran_for).await;
                let output = task.output();
                let outcome = wait(task, stop).await;
                let written = *output.borrow();
                Some(end(&results_dir, written, outcome).await)
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(execution_id = %id, %error, "a task of an earlier agent cannot be taken over");
                None
            }
        }
    }

    /// Whether tasks of an engine go on when the agent ends.
    pub fn outlives_agent(&self, engine: &str) -> bool {
        self.executors.get(engine).is_some_and(|executor| executor.outlives_agent())
    }

    /// What engines still hold of other executions than these is removed. For once, at start.
    pub fn keep_only(&self, executions: &BTreeSet<String>) {
        self.executors.iter().for_each(|executor| executor.keep_only(executions));
    }

    /// Sends the results of a task that ended with `exit_code`.
    pub async fn publish(
        &self,
        id: &ExecutionId,
        work: &Work,
        exit_code: i32,
        mut stop: StopSignal,
    ) -> Result<SpecConfig, PublishEnd> {
        let spec = &work.task.publisher;
        let Some(publisher) = self.publishers.get(&spec.kind) else {
            return Err(PublishEnd::Failed(format!("this node has no publisher {:?} any more", spec.kind)));
        };
        let directory = self.directories.results(id);
        let results = Results { job_id: &work.job_id, execution_id: id, spec, directory: &directory };
        let published = async {
            if let Some(executor) = self.executors.get(&work.task.engine.kind) {
                self.reclaim(executor, id).await;
            }
            let complete = output::complete(&directory, exit_code).await;
            complete.map_err(|error| format!("the results cannot be gathered: {error}"))?;
            publisher.publish(results).await.map_err(|error| chain(&*error))
        };
        tokio::select! {
            published = published => published.map_err(PublishEnd::Failed),
            _ = stopped(&mut stop) => Err(PublishEnd::Stopped),
        }
    }

    /// Removes what the task used. Its output stays until others need the room.
    pub async fn clean_up(&self, id: &ExecutionId, engine: &str) {
        if let Some(executor) = self.executors.get(engine) {
            self.reclaim(executor, id).await;
            executor.clean_up(id.as_str()).await;
        }
        match self.directories.retire(id).await {
            Ok(None) => {}
            // It was the engine's turn when the engine was away. One at a time: there may be many.
            Ok(Some(stuck)) => {
                let directory = self.directories.results(&stuck);
                for executor in self.executors.iter() {
                    if let Err(error) = executor.empty(stuck.as_str(), &directory).await {
                        let error = chain(&*error);
                        tracing::warn!(execution_id = %stuck, error, "output cannot be removed");
                    }
                }
                self.directories.make_room().await;
            }
            Err(error) => {
                tracing::warn!(execution_id = %id, %error, "an execution's directory cannot be cleaned up");
            }
        }
    }

    /// What is not the agent's may still be readable, so that it does not matter.
    async fn reclaim(&self, executor: &Arc<dyn Executor>, id: &ExecutionId) {
        if let Err(error) = executor.reclaim(id.as_str(), &self.directories.results(id)).await {
            let error = chain(&*error);
            tracing::warn!(execution_id = %id, error, "results may be out of the agent's reach");
        }
    }

    async fn bring(&self, id: &ExecutionId, work: &Work) -> Result<TaskRun, String> {
        let task = &work.task;
        let outputs = self.directories.outputs(id, &task.results).await.map_err(|error| chain(&error))?;
        let environment = environment::of(id, work, &self.host_variables, &|name| std::env::var(name).ok())
            .map_err(|error| error.to_string())?;
        let brought = task.inputs.iter().enumerate().map(|(position, input)| {
            let place = self.directories.input(id, position);
            async move { self.bring_input(work, input, &place).await }
        });
        let inputs = try_join_all(brought).await?;
        Ok(TaskRun { environment, inputs, outputs, ..self.task_run(id, work) })
    }

    /// A task without what is brought for it: enough for one that runs already.
    fn task_run(&self, id: &ExecutionId, work: &Work) -> TaskRun {
        let task = &work.task;
        TaskRun {
            execution_id: id.to_string(),
            job_id: work.job_id.to_string(),
            params: task.engine.params.clone(),
            network: task.network.clone(),
            ports: Vec::new(),
            limits: task.resources.clone(),
            notes: Notes::default(),
            environment: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            memory_limit_bytes: Some(task.resources.memory_bytes).filter(|bytes| *bytes > 0),
            results_dir: self.directories.results(id),
            scratch_dir: self.directories.scratch(id),
            kept: if work.job_type.is_long_running() {
                Kept::Last(LONG_RUNNING_OUTPUT_BYTES)
            } else {
                Kept::First(OUTPUT_BYTES)
            },
        }
    }

    async fn bring_input(&self, work: &Work, input: &InputSource, place: &Path) -> Result<Mount, String> {
        let _turn = self.inputs.acquire().await.map_err(|closed| closed.to_string())?;
        let storage = self
            .storages
            .get(&input.source.kind)
            .ok_or_else(|| format!("this node has no source {:?} any more", input.source.kind))?;
        let wanted = Wanted {
            source: &input.source,
            place,
            partition: Partition::new(work.partition, work.count),
            disk_bytes: Some(work.task.resources.disk_bytes).filter(|bytes| *bytes > 0),
        };
        let Prepared { host, access } = storage
            .prepare(wanted)
            .await
            .map_err(|error| format!("input for {}: {}", input.target, chain(&*error)))?;
        let alias = Some(input.alias.clone()).filter(|alias| !alias.is_empty());
        Ok(Mount { host, guest: input.target.clone(), alias, access })
    }
}

async fn end(results_dir: &Path, written: OutputSize, outcome: Outcome) -> TaskEnd {
    let mut output = output::collect(results_dir, written, outcome.exit_code()).await;
    match outcome {
        Outcome::Exited(_) => TaskEnd::Exited(output),
        Outcome::Failed(failure) => {
            output.error.clone_from(&failure.message);
            TaskEnd::Broken { message: failure.message, output }
        }
        Outcome::Stopped(_) => TaskEnd::Stopped(Some(output)),
    }
}

/// Gives ports back when a task has ended or its start was given up.
struct HeldPorts<'r> {
    ports: &'r Ports,
    id: &'r ExecutionId,
}

impl Drop for HeldPorts<'_> {
    fn drop(&mut self) {
        self.ports.release(self.id);
    }
}

/// Waits for the end of a task, which comes soon once it is told to end.
async fn wait(mut task: RunningTask, mut stop: StopSignal) -> Outcome {
    let stopper = task.stopper();
    let reason = tokio::select! {
        outcome = task.wait() => return outcome,
        reason = stopped(&mut stop) => reason,
    };
    stopper.stop(reason);
    task.wait().await
}
