//! Runs containers through the API of a Docker engine on this machine.
//!
//! Containers belong to the engine, so they go on when the agent ends and are taken over by the next one. Everything
//! created carries labels with this node and its execution; what has them and is wanted by nobody is removed whenever
//! the engine comes. Nothing is polled: the end of the engine's event stream tells that it went, the file system that
//! it came. Types of the client library stay inside this module.

mod adopt;
mod arrival;
mod boot;
mod container;
mod credentials;
mod engine;
mod error;
mod gpu;
mod image;
mod limits;
mod marks;
mod network;
mod output;
mod own_container;
mod reclaim;
mod reference;
mod relay;
mod run;
mod supervise;
mod sweep;
mod watch;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{Gpu, Task};
use bacalhau_protocol::spec::docker::DockerSpec;
use futures_util::future::BoxFuture;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Adopted, Availability, Executor, Problem, RunningTask, StartError, TaskRun};
use crate::clock::Clock;
use container::Owner;
use engine::Engine;

pub use credentials::HubLogin;
pub use engine::DEFAULT_HOST;
pub use error::Error;

/// The name of this engine in jobs.
pub const KIND: &str = "docker";

/// How this node runs containers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose containers they are.
    pub node_id: NodeId,
    /// Where the engine listens: `unix://` and a path, or `tcp://` and an address. `DOCKER_HOST`, else [`DEFAULT_HOST`].
    pub host: String,
    /// Login for images of Docker Hub, before what Docker's own configuration has.
    pub hub_login: Option<HubLogin>,
    /// Never ask a registry.
    pub never_pull: bool,
    /// GPUs that are given to tasks.
    pub gpus: Vec<Gpu>,
    /// This program's `main` calls [`crate::own_program::in_container`], without which there is no HTTP networking and
    /// files of containers stay theirs.
    pub runs_in_containers: bool,
    /// Measures what passes the proxies.
    pub clock: Clock,
}

impl Settings {
    /// What the environment says: `DOCKER_HOST`, `DOCKER_USERNAME`, `DOCKER_PASSWORD`, `SKIP_IMAGE_PULL`.
    pub fn from_environment(
        node_id: NodeId,
        gpus: Vec<Gpu>,
        clock: Clock,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let login = |username| Some(HubLogin { username, password: variable("DOCKER_PASSWORD")? });
        Self {
            node_id,
            host: variable("DOCKER_HOST").unwrap_or_else(|| DEFAULT_HOST.to_owned()),
            hub_login: variable("DOCKER_USERNAME").and_then(login),
            never_pull: variable("SKIP_IMAGE_PULL").is_some(),
            gpus,
            runs_in_containers: false,
            clock,
        }
    }
}

/// The Docker engine, whether it is there or not. Dropping it lets all containers run on, unobserved.
pub struct DockerExecutor {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    settings: Settings,
    owner: Owner,
    engine: Engine,
    gpus: gpu::Book,
    limits: limits::Limits,
    proxies: relay::Proxies,
    /// Executions that may have something at the engine. `None` until the agent has said which were left.
    wanted: Mutex<Option<BTreeSet<String>>>,
    stop: CancellationToken,
}

impl DockerExecutor {
    /// Begins to look for the engine. Needs a tokio runtime.
    pub fn new(settings: Settings) -> Self {
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            owner: Owner::new(&settings.node_id),
            engine: Engine::default(),
            gpus: gpu::Book::new(&settings.gpus),
            limits: limits::Limits::default(),
            proxies: relay::Proxies::default(),
            wanted: Mutex::new(None),
            stop: stop.clone(),
            settings,
        });
        shared.spawn(supervise::run(Arc::clone(&shared)));
        Self { shared, _stop: stop.drop_guard() }
    }
}

impl Executor for DockerExecutor {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn availability(&self) -> BoxFuture<'_, Availability> {
        Box::pin(self.shared.engine.availability())
    }

    fn changes(&self) -> Option<tokio::sync::watch::Receiver<()>> {
        Some(self.shared.engine.changes())
    }

    fn check<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            let spec = DockerSpec::parse(&task.engine)
                .map_err(|invalid| format!("accept the engine's parameters: {invalid}"))?;
            network::check(&self.shared, &task.network)?;
            image::check(&self.shared, &spec.image).await
        })
    }

    fn start(&self, run: TaskRun) -> BoxFuture<'_, Result<RunningTask, StartError>> {
        Box::pin(run::start(Arc::clone(&self.shared), run))
    }

    fn outlives_agent(&self) -> bool {
        true
    }

    fn adopt(&self, run: TaskRun) -> BoxFuture<'_, Result<Option<Adopted>, StartError>> {
        Box::pin(adopt::adopt(Arc::clone(&self.shared), run))
    }

    fn keep_only(&self, executions: &BTreeSet<String>) {
        self.shared.lock_wanted().get_or_insert_default().extend(executions.iter().cloned());
        let shared = Arc::clone(&self.shared);
        self.shared.spawn(async move { sweep::sweep(&shared).await });
    }

    fn reclaim<'a>(
        &'a self,
        execution_id: &'a str,
        directory: &'a Path,
    ) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move { Ok(reclaim::reclaim(&self.shared, execution_id, directory).await?) })
    }

    fn empty<'a>(&'a self, execution_id: &'a str, directory: &'a Path) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move { Ok(reclaim::empty(&self.shared, execution_id, directory).await?) })
    }

    fn clean_up<'a>(&'a self, execution_id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(sweep::clean_up(&self.shared, execution_id))
    }
}

impl Shared {
    /// Runs something until the executor is dropped.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            // What is cut off here goes on with the next agent.
            _ = stop.run_until_cancelled(work).await;
        });
    }

    fn want(&self, execution_id: &str) {
        self.lock_wanted().get_or_insert_default().insert(execution_id.to_owned());
    }

    fn lock_wanted(&self) -> std::sync::MutexGuard<'_, Option<BTreeSet<String>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
