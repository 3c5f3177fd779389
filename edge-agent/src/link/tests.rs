//! The link over real QUIC connections.

mod conversation;
mod handshake;
mod relay;
mod transfers;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::stream::LogItem;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::test_hub::{Authority, Hub};
use super::*;
use crate::config::{JoinToken, Name};

/// A control plane and a link that dials it.
struct Setup {
    directory: tempfile::TempDir,
    hub: Hub,
    client: Client,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Setup {
    /// Starts both. The caller plays the actor.
    fn start() -> (Self, mpsc::Receiver<LinkEvent>) {
        Self::start_by_way_of(|hub| hub)
    }

    /// Starts both; the link dials what `way` makes of the control plane's address.
    fn start_by_way_of(way: impl FnOnce(SocketAddr) -> SocketAddr) -> (Self, mpsc::Receiver<LinkEvent>) {
        let authority = Authority::new();
        let hub = Hub::start(authority.credentials(2020, 2040));
        let directory = tempfile::tempdir().unwrap();
        let nowhere = Orchestrator { host: "127.0.0.1".to_owned(), port: 0 };
        let there = Orchestrator { host: "127.0.0.1".to_owned(), port: way(hub.address()).port() };
        let orchestrators = vec![nowhere, there];
        let (link, ends) = link(directory.path(), &authority, orchestrators);
        let stop = CancellationToken::new();
        let running = tokio::spawn(link.run(Arc::new(Files::in_directory(directory.path())), stop.clone()));
        (Self { directory, hub, client: ends.client, stop, running }, ends.events)
    }

    /// Starts both with an actor that takes every connection for a welcome.
    fn welcomed() -> Self {
        let (setup, mut events) = Self::start();
        tokio::spawn(async move {
            let mut current = None;
            while let Some(event) = events.recv().await {
                match event {
                    LinkEvent::Connected(outgoing) => {
                        outgoing.welcomed();
                        current = Some(outgoing);
                    }
                    LinkEvent::Bytes(_) => {}
                    LinkEvent::Disconnected => current = None,
                }
            }
            drop(current);
        });
        setup
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

fn link(directory: &Path, authority: &Authority, orchestrators: Vec<Orchestrator>) -> (Link, Ends) {
    let identity = Identity::load(directory, &Name::Uuid).unwrap();
    let join = JoinToken { authority: authority.fingerprint(), secret: "s".to_owned() };
    let authorities = Authorities::load(directory, Some(&join)).unwrap();
    Link::new(&identity, authorities, orchestrators, Clock::new(None)).unwrap()
}

fn execution() -> ExecutionId {
    ExecutionId::parse("e-1").unwrap()
}

/// Serves one archive and two lines of log, for one execution.
struct Files {
    archive: Archive,
}

const ARCHIVE: &[u8] = b"an archive of results";

impl Files {
    fn in_directory(directory: &Path) -> Self {
        let path = directory.join("archive");
        std::fs::write(&path, ARCHIVE).unwrap();
        Self { archive: Archive { path, size: ARCHIVE.len() as u64, hash: [7; 32] } }
    }

    fn known<T>(wanted: &ExecutionId, value: T) -> Result<T, Unserved> {
        if *wanted == execution() { Ok(value) } else { Err(Unserved::not_found("no such execution")) }
    }
}

impl DeviceFiles for Files {
    fn results(&self, execution: ExecutionId) -> BoxFuture<'static, Result<Archive, Unserved>> {
        Box::pin(ready(Self::known(&execution, self.archive.clone())))
    }

    fn logs(
        &self,
        execution: ExecutionId,
        _tail: bool,
        _follow: bool,
    ) -> BoxFuture<'static, Result<mpsc::Receiver<LogItem>, Unserved>> {
        let (sender, receiver) = mpsc::channel(2);
        sender.try_send(LogItem::Stdout(b"out".to_vec())).unwrap();
        sender.try_send(LogItem::Stderr(b"err".to_vec())).unwrap();
        Box::pin(ready(Self::known(&execution, receiver)))
    }
}
