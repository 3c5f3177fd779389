//! The engine as the agent uses it: real modules, files and processors, no clock.

mod artifacts;
mod fixtures;
mod hostile;
mod linking;
mod validate;
mod world;

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bacalhau_protocol::engine_profile::EngineProfile;
use tempfile::TempDir;

use super::{
    CentralCompiler, DEFAULT_ARTIFACT_CACHE_BYTES, DEFAULT_MODULE_CACHE_BYTES, LocalCompiler, Settings,
    WasmExecutor, host_profile,
};
use crate::executor::{Access, Executor, Kept, Mount, Outcome, OutputSize, RunningTask, StartError, TaskRun};

/// A node with a directory of its own and a WASM engine.
struct Node {
    dir: TempDir,
    executor: WasmExecutor,
}

/// How a task ended and what it wrote.
#[derive(Debug)]
struct Ended {
    outcome: Outcome,
    stdout: String,
    stderr: String,
}

impl Node {
    /// A node that compiles for itself.
    fn new() -> Self {
        Self::with_compiler(LocalCompiler::InProcess, None)
    }

    fn with_compiler(compiler: LocalCompiler, central: Option<CentralCompiler>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let executor = executor_in(dir.path(), compiler, central);
        for part in ["in", "results", "scratch"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        Self { dir, executor }
    }

    /// The agent started anew over the same directories.
    fn restarted(self, compiler: LocalCompiler) -> Self {
        let executor = executor_in(self.dir.path(), compiler, None);
        Self { executor, ..self }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A task that runs the module with this text.
    fn task(&self, wat: &str) -> TaskRun {
        self.task_of_bytes(&fixtures::assemble(wat))
    }

    fn task_of_bytes(&self, module: &[u8]) -> TaskRun {
        TaskRun {
            execution_id: "e-1".to_owned(),
            job_id: "j-1".to_owned(),
            network: Default::default(),
            ports: Vec::new(),
            limits: Default::default(),
            notes: Default::default(),
            params: r#"{"EntryModule": "/wasm/main.wasm"}"#.to_owned(),
            environment: [].into(),
            inputs: vec![self.module("main", module)],
            outputs: Vec::new(),
            memory_limit_bytes: None,
            results_dir: self.path("results"),
            scratch_dir: self.path("scratch"),
            kept: Kept::First(1 << 20),
        }
    }

    /// Puts a module on the node and mounts it at `/wasm/<name>.wasm` under the alias `name`.
    fn module(&self, name: &str, bytes: &[u8]) -> Mount {
        let host = self.path(&format!("in/{name}.wasm"));
        fs::write(&host, bytes).unwrap();
        let alias = Some(name.to_owned());
        Mount { host: host.into(), guest: format!("/wasm/{name}.wasm"), alias, access: Access::ReadOnly }
    }

    async fn start(&self, run: &TaskRun) -> Result<RunningTask, StartError> {
        self.executor.start(run.clone()).await
    }

    async fn run(&self, run: &TaskRun) -> Ended {
        let outcome = self.start(run).await.unwrap().wait().await;
        self.ended(outcome)
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        let read = |name: &str| match fs::read(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            bytes => String::from_utf8(bytes.unwrap()).unwrap(),
        };
        Ended { outcome, stdout: read("results/stdout"), stderr: read("results/stderr") }
    }

    /// The error with which the task does not start, and its causes.
    async fn refusal(&self, run: &TaskRun) -> String {
        let error = self.start(run).await.unwrap_err();
        let (mut text, mut cause) = (error.to_string(), error.source());
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }
}

fn executor_in(dir: &Path, compiler: LocalCompiler, central: Option<CentralCompiler>) -> WasmExecutor {
    WasmExecutor::new(Settings {
        profile: profile(),
        artifact_dir: dir.join("artifacts"),
        artifact_cache_bytes: DEFAULT_ARTIFACT_CACHE_BYTES,
        module_cache_bytes: DEFAULT_MODULE_CACHE_BYTES,
        compiler,
        central,
    })
}

fn profile() -> EngineProfile {
    host_profile().unwrap()
}

fn mount(host: PathBuf, guest: &str, access: Access) -> Mount {
    Mount { host: host.into(), guest: guest.to_owned(), alias: None, access }
}

/// Waits until the task has written something, so that it is known to run.
async fn first_output(task: &RunningTask) -> OutputSize {
    *task.output().wait_for(|size| size.stdout_bytes > 0).await.unwrap()
}
