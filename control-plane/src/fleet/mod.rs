//! The nodes' side of the control plane: the QUIC listener, one session per node, and what travels beside the control
//! stream.
//!
//! Sessions hold no state worth keeping. What a node should do is read from [`wishes`], which follows the store's
//! watch, so a node is told only what is durable; what a node reports goes to the orchestrator and is acknowledged
//! when it is durable.

mod artifacts;
pub mod authority;
mod connection;
mod endpoint;
mod follower;
mod message;
mod recall;
mod relay;
mod room;
mod serve;
mod session;
mod sessions;
mod wire;
mod wishes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::authority::Authority;
use self::room::Room;
use self::sessions::Sessions;
use self::wishes::Wishes;
use crate::blobs::Blobs;
use crate::orchestrator::Orchestrator;

pub use self::artifacts::{Artifacts, Compile, CompileError, Compiled};
pub use self::endpoint::ListenError;
pub use self::relay::{LogStream, RelayError, ResultStream};

/// How the fleet is served.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where nodes dial (UDP).
    pub listen: SocketAddr,
    /// New nodes wait for an administrator.
    pub manual_approval: bool,
    /// File in which the nodes that are connected are noted, for the next start after a crash.
    pub connected: PathBuf,
}

/// The running listener and its sessions.
pub struct Fleet {
    shared: Arc<Shared>,
    endpoint: quinn::Endpoint,
    tasks: TaskTracker,
    stop: CancellationToken,
    accepting: JoinHandle<()>,
}

/// What all sessions share.
struct Shared {
    orchestrator: Orchestrator,
    authority: Authority,
    blobs: Blobs,
    artifacts: Artifacts,
    sessions: Sessions,
    wishes: Wishes,
    room: Room,
    manual_approval: bool,
}

/// Why the fleet cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// What nodes should do.
    #[error("reading what nodes should do")]
    Wishes(#[from] crate::state::LoadError),
}

impl Fleet {
    /// Listens for nodes.
    pub async fn start(
        config: Config,
        orchestrator: Orchestrator,
        authority: Authority,
        blobs: Blobs,
        artifacts: Artifacts,
    ) -> Result<Self, StartError> {
        let (endpoint, socket) = endpoint::listen(config.listen, &authority)?;
        let reset_key = endpoint::reset_key(&authority);
        let shared = Arc::new(Shared {
            orchestrator,
            authority,
            blobs,
            artifacts,
            sessions: Sessions::default(),
            wishes: Wishes::default(),
            room: Room::default(),
            manual_approval: config.manual_approval,
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let follower = follower::Follower::start(shared.clone()).await?;
        tasks.spawn(stop.clone().run_until_cancelled_owned(follower.run()));
        tasks.spawn(stop.clone().run_until_cancelled_owned(sessions::listen_for_life(shared.clone())));
        let recall = recall::run(shared.clone(), socket, reset_key, config.connected);
        tasks.spawn(stop.clone().run_until_cancelled_owned(recall));
        let accepting = tokio::spawn(accept(endpoint.clone(), shared.clone(), tasks.clone()));
        Ok(Self { shared, endpoint, tasks, stop, accepting })
    }

    /// Where nodes dial.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// For opening logs and results of nodes.
    pub fn relay(&self) -> Relay {
        Relay { shared: self.shared.clone() }
    }

    /// Closes all sessions; nodes go on working and come back.
    pub async fn shutdown(self) {
        self.accepting.abort();
        self.endpoint.close(bacalhau_protocol::wire::close::NORMAL.into(), b"the control plane stops");
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        // Close frames are on their way; a node that misses its own finds out by its idle timeout.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.endpoint.wait_idle()).await;
    }
}

/// Reaches nodes for logs and results.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

async fn accept(endpoint: quinn::Endpoint, shared: Arc<Shared>, tasks: TaskTracker) {
    while let Some(incoming) = endpoint.accept().await {
        // A host that asks from an address it may not own proves it first, so nobody is flooded through us.
        if !incoming.remote_address_validated() && endpoint.open_connections() > endpoint::RETRY_ABOVE {
            let _ = incoming.retry();
            continue;
        }
        tasks.spawn(connection::serve(incoming, shared.clone()));
    }
}
