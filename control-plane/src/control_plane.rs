//! Puts the parts together.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::blobs::{self, BlobId, Blobs, Limits};
use crate::config::{Config, MAX_BLOB_BYTES};
use crate::directory::private_directory;
use crate::fleet::authority::{Authority, AuthorityError};
use crate::fleet::{self, Artifacts, Fleet};
use crate::orchestrator::Orchestrator;
use crate::state::LoadError;
use crate::store::heed::{OpenError, Options};
use crate::store::{HeedStore, Store};
use crate::{api, clock};

/// A running control plane.
pub struct ControlPlane {
    orchestrator: Orchestrator,
    fleet: Fleet,
    fleet_address: SocketAddr,
    api: Option<api::Server>,
    join_string: String,
    join_file: PathBuf,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Why a control plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its directory.
    #[error("making the data directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The store.
    #[error("opening the store")]
    Store(#[from] OpenError),
    /// The state.
    #[error("reading the state")]
    Load(#[from] LoadError),
    /// The blobs.
    #[error("opening the blobs")]
    Blobs(#[from] blobs::Error),
    /// The secrets.
    #[error("opening the secrets")]
    Authority(#[from] AuthorityError),
    /// The fleet's listener.
    #[error(transparent)]
    Fleet(#[from] fleet::StartError),
    /// The API's listener.
    #[error(transparent)]
    Api(#[from] api::ListenError),
    /// An address that cannot be told.
    #[error("asking for the listener's address")]
    Address(#[source] io::Error),
}

impl ControlPlane {
    /// Opens what is durable and begins to serve.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let store = open_store(&config)?;
        let now = clock::now();
        let orchestrator =
            Orchestrator::start(store, config.scheduler.clone(), config.retention, now).await?;
        let limits = Limits { quota_bytes: config.blob_quota_bytes, blob_bytes: MAX_BLOB_BYTES };
        let blobs = Blobs::open(&config.directory.join("blobs"), limits)?;
        let authority = Authority::open(&config.directory.join("secrets"), config.join_secret.as_deref())?;
        let (join_string, join_file) = (authority.join_string(), authority.join_file().to_owned());
        let fleet_config = fleet::Config {
            listen: config.fleet,
            manual_approval: config.manual_approval,
            connected: config.directory.join("connected"),
        };
        let artifacts = Artifacts::new(config.compile.clone());
        let fleet =
            Fleet::start(fleet_config, orchestrator.clone(), authority, blobs.clone(), artifacts).await?;
        let api = match config.api {
            None => None,
            Some(address) => {
                let parts = api_parts(&config, &orchestrator, &blobs, &fleet);
                Some(api::Server::start(address, config.api_tls.clone(), parts).await?)
            }
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(orchestrator.clone().evaluate_forever()));
        tasks.spawn(stop.clone().run_until_cancelled_owned(orchestrator.clone().forget_forever()));
        tasks.spawn(stop.clone().run_until_cancelled_owned(sweep_forever(orchestrator.clone(), blobs)));
        let fleet_address = fleet.address().map_err(StartError::Address)?;
        Ok(Self { orchestrator, fleet, fleet_address, api, join_string, join_file, stop, tasks })
    }

    /// Returns when the control plane can do no more than be shut down: its store takes nothing until it is opened again.
    pub async fn failed(&self) {
        self.orchestrator.store_ended().await;
    }

    /// The state and its changes, for callers in the same process.
    pub fn orchestrator(&self) -> &Orchestrator {
        &self.orchestrator
    }

    /// Where the API listens.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref().map(api::Server::address)
    }

    /// Where nodes dial (UDP).
    pub fn fleet_address(&self) -> SocketAddr {
        self.fleet_address
    }

    /// What a person gives to a new agent. A secret.
    pub fn join_string(&self) -> &str {
        &self.join_string
    }

    /// The file, readable by its owner only, that holds the join string.
    pub fn join_file(&self) -> &Path {
        &self.join_file
    }

    /// Stops serving. Everything acknowledged is on disk already; nodes go on working and come back.
    pub async fn shutdown(self) {
        if let Some(api) = self.api {
            api.shutdown().await;
        }
        self.fleet.shutdown().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// How often blobs nobody refers to are looked for. It reads every stored job once.
const SWEEP_PERIOD: Duration = Duration::from_secs(6 * 3600);
/// A blob younger than this is kept: the record that will refer to it may still be on its way.
const SWEEP_GRACE: Duration = Duration::from_secs(24 * 3600);

/// Removes what no job and no result refers to any more, until the process ends.
async fn sweep_forever(orchestrator: Orchestrator, blobs: Blobs) {
    loop {
        tokio::time::sleep(SWEEP_PERIOD).await;
        let referenced = match orchestrator.reader().referenced_blobs().await {
            Ok(referenced) => referenced.into_iter().map(BlobId).collect(),
            Err(error) => {
                tracing::warn!(%error, "blobs in use could not be listed, nothing is removed");
                continue;
            }
        };
        match blobs.sweep(referenced, clock::ago(SWEEP_GRACE)).await {
            Ok(swept) => tracing::info!(files = swept.files, bytes = swept.bytes, "unused blobs removed"),
            Err(error) => tracing::warn!(%error, "unused blobs could not be removed"),
        }
    }
}

fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let path = config.store.clone().unwrap_or_else(|| config.directory.join("state"));
    private_directory(&path).map_err(|source| StartError::Directory { path: path.clone(), source })?;
    Ok(Arc::new(HeedStore::open(&path, Options::default())?))
}

fn api_parts(config: &Config, orchestrator: &Orchestrator, blobs: &Blobs, fleet: &Fleet) -> api::Parts {
    api::Parts {
        node_id: config.node_id.clone(),
        installation_id: config.installation_id.clone(),
        instance_id: config.instance_id.clone(),
        defaults: config.defaults.clone(),
        config: Arc::new(config.shown.clone()),
        orchestrator: orchestrator.clone(),
        blobs: blobs.clone(),
        relay: fleet.relay(),
    }
}
