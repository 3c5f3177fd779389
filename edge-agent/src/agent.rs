//! One agent, put together and running.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bacalhau_protocol::ids::NodeId;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::capacity::Machine;
use crate::clock::Clock;
use crate::config::{Config, fingerprint_text};
use crate::data_dir::{self, DataDir};
use crate::describe::Description;
use crate::device_files::Files;
use crate::executor::Executors;
use crate::identity::{self, Identity};
use crate::journal::{Journal, OpenError, Recovered};
use crate::link::{Authorities, AuthorityError, Client, Ends, Link};
use crate::node::{Node, Parts, Status};
use crate::storage::LocalStorage;
use crate::workshop::{self, Workshop};

/// How long the last words to the control plane may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// A running agent. Dropping it cuts everything off; [`shutdown`](Self::shutdown) ends it in good order.
pub struct Agent {
    identity: Identity,
    description: Arc<Description>,
    local: Arc<LocalStorage>,
    node: Node,
    client: Client,
    link: JoinHandle<()>,
    stop: DropGuard,
    data_dir: DataDir,
}

/// Parts of an agent that benches and simulations replace.
#[derive(Default)]
pub struct Replacements {
    /// These engines instead of the configured ones.
    pub executors: Option<Executors>,
    /// A journal that forgets everything with the process.
    pub journal_in_memory: bool,
}

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] data_dir::Error),
    /// The key or the name.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// Whom to trust.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The key does not work with TLS.
    #[error("TLS cannot be set up with this node's key")]
    Tls(#[from] rustls::Error),
    /// A directory of executions or results.
    #[error("cannot use {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Agent {
    /// Starts an agent on the current runtime. It goes on with what an earlier process left, connected or not.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Replacements::default()).await
    }

    /// As [`start`](Self::start), with some parts replaced.
    pub async fn start_with(config: Config, replacements: Replacements) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let identity = Identity::load(data_dir.path(), &config.name)?;
        let authorities = Authorities::load(data_dir.path(), config.join.as_ref())?;
        let (journal, recovered) = open_journal(&config, &data_dir, replacements.journal_in_memory)?;
        let clock = Clock::new(recovered.facts.fleet_time);
        let (link, Ends { events, client }) =
            Link::new(&identity, authorities, config.orchestrators.clone(), clock.clone())?;
        let key = ArtifactKey::default();
        let machine = detect(data_dir.path().to_owned()).await;
        let offered = config.allocation.of(&machine.resources);
        let us = workshop::Node { id: identity.node_id(), gpus: &offered.gpus, clock: &clock };
        let workshop =
            Workshop::set_up(&config, data_dir.path(), &client, key.reader(), &us, replacements.executors)?;
        let local = Arc::clone(&workshop.local);
        let secret = config.join.as_ref().map(|join| join.secret.clone());
        let description =
            Description::new(identity.node_id().clone(), workshop.abilities.clone(), config, machine);
        let info = description.now().await;
        let files = Files::new(Arc::clone(&workshop.runner), workshop.archives.clone());
        let node = Node::start(Parts {
            info,
            secret,
            journal,
            recovered,
            clock,
            admission: workshop.admission,
            runner: workshop.runner,
            link: events,
            archives: workshop.archives,
        });
        key.comes_from(node.status());
        let stop = CancellationToken::new();
        let description = Arc::new(description);
        tokio::spawn(follow(Arc::clone(&description), node.clone(), stop.clone()));
        let link = tokio::spawn(link.run(Arc::new(files), stop.clone()));
        tracing::info!(
            node = %identity.node_id(),
            key = fingerprint_text(&identity.fingerprint()),
            data_dir = %data_dir.path().display(),
            cpu_millis = offered.cpu_millis,
            memory_bytes = offered.memory_bytes,
            disk_bytes = offered.disk_bytes,
            gpu = offered.gpu,
            "agent started"
        );
        Ok(Self { identity, description, local, node, client, link, stop: stop.drop_guard(), data_dir })
    }

    /// The name of the node that an agent with this configuration is. A new one is kept for when it starts.
    pub fn name(config: &Config) -> Result<NodeId, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        Ok(Identity::load(data_dir.path(), &config.name)?.node_id().clone())
    }

    /// The node's name.
    pub fn node_id(&self) -> &NodeId {
        self.identity.node_id()
    }

    /// SHA-256 of the node's public key, in hexadecimal: what an administrator compares before approving.
    pub fn key_fingerprint(&self) -> String {
        fingerprint_text(&self.identity.fingerprint())
    }

    /// How the node stands with the control plane, now and later.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.node.status()
    }

    /// Takes over the labels, shares, admission policies and allowed paths of `config`, looks at the machine again, and
    /// tells the control plane without a new connection. Everything else in `config` waits for a restart.
    pub async fn reload(&self, config: &Config) {
        self.local.allow(&config.allowed_paths);
        let machine = detect(self.data_dir.path().to_owned()).await;
        tracing::info!("labels, capacity, admission and allowed paths read again");
        self.description.renew(config.clone(), machine, &self.node).await;
    }

    /// Ends tasks and the conversation in good order; returns when everything is durable.
    pub async fn shutdown(mut self) {
        self.node.shutdown().await;
        if self.client.is_connected() {
            // A control plane that does not listen any more is not waited for.
            _ = timeout(FAREWELL, &mut self.link).await;
        }
        drop(self.stop);
        if !self.link.is_finished() {
            _ = self.link.await;
        }
        tracing::info!("agent stopped");
    }
}

/// The key that signs artifacts, read by an engine that is older than the node that hears it.
#[derive(Clone, Default)]
struct ArtifactKey(Arc<OnceLock<watch::Receiver<Status>>>);

impl ArtifactKey {
    fn reader(&self) -> crate::executor::wasm::ArtifactKey {
        let key = self.clone();
        Arc::new(move || key.0.get()?.borrow().artifact_key)
    }

    fn comes_from(&self, status: watch::Receiver<Status>) {
        self.0.set(status).expect("an agent has one node");
    }
}

/// Tells the control plane of engines that come and go, until the agent ends.
async fn follow(description: Arc<Description>, node: Node, stop: CancellationToken) {
    _ = stop.run_until_cancelled(description.follow(&node)).await;
}

fn open_journal(
    config: &Config,
    data_dir: &DataDir,
    in_memory: bool,
) -> Result<(Journal, Recovered), OpenError> {
    if in_memory {
        return Ok((Journal::in_memory(), Recovered::default()));
    }
    let directory = config.store.clone().unwrap_or_else(|| data_dir.path().join("journal"));
    let (journal, recovered) = Journal::open(&directory)?;
    if let Some(path) = &recovered.set_aside {
        tracing::error!(path = %path.display(), "journal was damaged and set aside; running work is lost");
    }
    for damage in &recovered.damaged {
        tracing::error!(damage, "damaged record of the journal was set aside");
    }
    Ok((journal, recovered))
}

async fn detect(data_dir: PathBuf) -> Machine {
    tokio::task::spawn_blocking(move || Machine::detect(&data_dir))
        .await
        .expect("looking at the machine does not panic, and the runtime runs")
}

#[cfg(test)]
mod tests;
