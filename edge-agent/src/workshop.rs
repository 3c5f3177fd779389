//! Everything this node can do, built from its configuration: the only place that lists engines, input sources and
//! publishers.

use std::path::Path;
use std::sync::Arc;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::Gpu;

use crate::admission::{Admission, Probes};
use crate::agent::StartError;
use crate::clock::Clock;
use crate::config::Config;
use crate::describe::Abilities;
use crate::environment::HostVariables;
#[cfg(feature = "docker")]
use crate::executor::docker::{self, DockerExecutor};
use crate::executor::wasm::{
    self, ArtifactKey, CentralCompiler, DEFAULT_ARTIFACT_CACHE_BYTES, DEFAULT_MODULE_CACHE_BYTES,
    WasmExecutor, host_profile,
};
use crate::executor::{Executor, Executors};
use crate::link::Client;
use crate::ports::Ports;
use crate::publisher::{LocalPublisher, Publisher, Publishers};
use crate::retention::Limits;
use crate::runner::{Directories, Runner};
use crate::storage::inline::DEFAULT_BLOB_CACHE_BYTES;
use crate::storage::{InlineStorage, LocalStorage, Storage, Storages};
#[cfg(feature = "s3")]
use crate::storage::{S3Storage, s3};

/// What decides about tasks and what performs them.
pub(crate) struct Workshop {
    pub(crate) admission: Admission,
    pub(crate) runner: Arc<Runner>,
    pub(crate) archives: Option<Arc<LocalPublisher>>,
    pub(crate) abilities: Abilities,
    pub(crate) local: Arc<LocalStorage>,
}

impl Workshop {
    /// Builds everything below `data_dir`; `executors` replace the configured ones.
    pub(crate) fn set_up(
        config: &Config,
        data_dir: &Path,
        client: &Client,
        artifact_key: ArtifactKey,
        node: &Node<'_>,
        executors: Option<Executors>,
    ) -> Result<Self, StartError> {
        let executors = executors.unwrap_or_else(|| engines(config, data_dir, client, artifact_key, node));
        let archives = publisher(config, data_dir, client)?;
        let publishers =
            Publishers::new(archives.iter().map(|local| Arc::clone(local) as Arc<dyn Publisher>).collect());
        let local = Arc::new(LocalStorage::new(&config.allowed_paths));
        let storages = sources(config, data_dir, client, Arc::clone(&local), node.clock);
        let host_variables = HostVariables::new(&config.env_allow_list);
        let path = data_dir.join("executions");
        let kept = Limits { gives_way: true, ..Limits::default() };
        let directories =
            Directories::open(&path, kept).map_err(|source| StartError::Directory { path, source })?;
        let abilities = Abilities {
            publishers: publishers.kinds(),
            storages: storages.clone(),
            engine_profile: match executors.get(wasm::KIND) {
                Some(_) => host_profile().map(|profile| profile.id()).unwrap_or_default(),
                None => String::new(),
            },
            executors: executors.clone(),
        };
        let admission = Admission {
            policy: config.admission.clone(),
            probes: Probes::new(&config.admission, node.clock.clone()),
            executors: executors.clone(),
            storages: storages.clone(),
            publishers: publishers.clone(),
            host_variables: host_variables.clone(),
        };
        let ports = Ports::new(config.port_range.clone());
        let runner = Runner::new(executors, storages, publishers, host_variables, directories, ports);
        let runner = Arc::new(runner);
        Ok(Self { admission, runner, archives, abilities, local })
    }
}

/// What engines must know of the node.
#[cfg_attr(not(feature = "docker"), expect(dead_code, reason = "WASM asks for none of it"))]
pub(crate) struct Node<'a> {
    pub(crate) id: &'a NodeId,
    /// What is given to tasks.
    pub(crate) gpus: &'a [Gpu],
    pub(crate) clock: &'a Clock,
}

fn engines(
    config: &Config,
    data_dir: &Path,
    client: &Client,
    public_key: ArtifactKey,
    node: &Node<'_>,
) -> Executors {
    let mut all: Vec<Arc<dyn Executor>> = Vec::new();
    if let Some(profile) = host_profile()
        && is_enabled(&config.disabled_engines, &[wasm::KIND])
    {
        all.push(Arc::new(WasmExecutor::new(wasm::Settings {
            profile,
            artifact_dir: data_dir.join("cache/artifacts"),
            artifact_cache_bytes: DEFAULT_ARTIFACT_CACHE_BYTES,
            module_cache_bytes: DEFAULT_MODULE_CACHE_BYTES,
            compiler: config.compiler.clone(),
            central: Some(CentralCompiler { public_key, source: Arc::new(client.clone()) }),
        })));
    }
    #[cfg(feature = "docker")]
    if is_enabled(&config.disabled_engines, &[docker::KIND]) {
        let (id, gpus) = (node.id.clone(), node.gpus.to_vec());
        let clock = node.clock.clone();
        let settings = docker::Settings::from_environment(id, gpus, clock, |name| std::env::var(name).ok());
        let settings = docker::Settings { runs_in_containers: config.runs_in_containers, ..settings };
        all.push(Arc::new(DockerExecutor::new(settings)));
    }
    #[cfg(not(feature = "docker"))]
    let _ = node;
    Executors::new(all)
}

#[cfg_attr(
    not(feature = "s3"),
    expect(unused_variables, reason = "only what is fetched is signed by a clock")
)]
fn sources(
    config: &Config,
    data_dir: &Path,
    client: &Client,
    local: Arc<LocalStorage>,
    clock: &Clock,
) -> Storages {
    let blobs = data_dir.join("cache/blobs");
    let inline = InlineStorage::new(Arc::new(client.clone()), blobs, DEFAULT_BLOB_CACHE_BYTES);
    let mut all: Vec<Arc<dyn Storage>> = vec![Arc::new(inline), local];
    #[cfg(feature = "s3")]
    all.push(Arc::new(S3Storage::new(s3::Settings {
        clock: clock.clone(),
        read_timeout: config.inputs.read_timeout,
        attempts: config.inputs.attempts,
    })));
    all.retain(|storage| is_enabled(&config.disabled_sources, storage.kinds()));
    Storages::new(all)
}

fn publisher(
    config: &Config,
    data_dir: &Path,
    client: &Client,
) -> Result<Option<Arc<LocalPublisher>>, StartError> {
    if !is_enabled(&config.disabled_publishers, &["local"]) {
        return Ok(None);
    }
    let path = data_dir.join("results");
    match LocalPublisher::open(path.clone(), Limits::default(), Arc::new(client.clone())) {
        Ok(publisher) => Ok(Some(Arc::new(publisher))),
        Err(source) => Err(StartError::Directory { path, source }),
    }
}

/// Whether none of a thing's names is switched off.
fn is_enabled(disabled: &[String], names: &[&str]) -> bool {
    !names.iter().any(|name| disabled.iter().any(|off| off.eq_ignore_ascii_case(name)))
}
