//! HTTP networking: the way out of a container that has no other.
//!
//! A second container, the relay, has no network but its own loopback, and the task's container shares it. In there runs
//! this agent's own program (`egress/relay.rs`), which listens on the loopback and carries bytes to a socket of the
//! agent, where the proxy decides (`egress/`). So there is nothing but the proxy that the task could reach, not even
//! for a moment, and no interface, route or packet filter that could be wrong. The relay is made from the task's own
//! image: nothing is pulled, and nothing of the image runs in it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bacalhau_protocol::model::{NetworkType, topic};
use bollard::models::ContainerCreateBody;
use futures_util::StreamExt;
use tokio::net::UnixListener;
use tokio::time::timeout;

use super::engine::Connection;
use super::error::{Error, said};
use super::output::Frames;
use super::own_container::{self, Errand, ROOT};
use super::run::{Undo, attach, create};
use super::{Shared, container};
use crate::RELAY_ARGUMENT;
use crate::chain::chain;
use crate::egress::{Domains, Egress, LISTENING, RELAY_PORT, Rules, is_outside};
use crate::executor::{Access, TaskRun};
use crate::own_program::OwnProgram;

/// How long a relay may take from its start until it listens.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most of its last words that are told.
const MAX_SAID_BYTES: usize = 1024;
/// Directory of the agent's socket in a task's scratch directory, and in the relay below [`ROOT`].
const WAY: &str = "way";
/// The agent's socket.
const SOCKET: &str = "agent";

/// The proxies of executions with HTTP networking. An execution whose proxy could not be opened counts as well: it may
/// have a relay.
#[derive(Debug, Default)]
pub(super) struct Proxies(Mutex<BTreeMap<String, Option<Egress>>>);

impl Proxies {
    fn put(&self, execution_id: &str, proxy: Option<Egress>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(execution_id.to_owned(), proxy);
    }

    /// Closes it; tells whether there was one.
    pub(super) fn close(&self, execution_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(execution_id).is_some()
    }
}

/// A relay that listens. Dropped before [`keep`](Self::keep), it is removed.
pub(super) struct Relay<'s> {
    id: String,
    undo: Undo<'s>,
}

impl Relay<'_> {
    /// Lets the task's container share its network, and tells the task where the proxy is.
    pub(super) fn join(&self, body: &mut ContainerCreateBody) {
        let host = body.host_config.get_or_insert_default();
        host.network_mode = Some(format!("container:{}", self.id));
        let environment = body.env.get_or_insert_default();
        let is_free = |name: &str| !environment.iter().any(|set| set.split('=').next() == Some(name));
        let ours = variables().into_iter().filter(|(name, _)| is_free(name));
        let ours: Vec<String> = ours.map(|(name, value)| format!("{name}={value}")).collect();
        environment.extend(ours);
    }

    /// The task runs.
    pub(super) fn keep(self) {
        self.undo.keep();
    }
}

/// How programs are told of a proxy; some look for one spelling, some for the other.
fn variables() -> Vec<(&'static str, String)> {
    let proxy = format!("http://127.0.0.1:{RELAY_PORT}");
    let here = "localhost,127.0.0.1,::1".to_owned();
    let values = [("http_proxy", &proxy), ("https_proxy", &proxy), ("no_proxy", &here)];
    let upper = [("HTTP_PROXY", &proxy), ("HTTPS_PROXY", &proxy), ("NO_PROXY", &here)];
    values.into_iter().chain(upper).map(|(name, value)| (name, value.clone())).collect()
}

/// Whether relays can be made here; else why not.
pub(super) fn check(shared: &Shared) -> Result<OwnProgram, Error> {
    own_container::check(&shared.settings).map_err(Error::Relay)
}

/// Opens the way out for a task with HTTP networking, in place of what an earlier run left.
pub(super) async fn open<'s>(
    shared: &'s Arc<Shared>,
    connection: &Connection,
    run: &TaskRun,
    image: &str,
) -> Result<Option<Relay<'s>>, Error> {
    if run.network.network_type != NetworkType::Http {
        return Ok(None);
    }
    let program = check(shared)?;
    let way = open_proxy(shared, run).map_err(|error| Error::Relay(chain(&error)))?;
    let name = container::relay_name(&run.execution_id);
    let mut undo = Undo::new(shared, &name);
    let errand = Errand {
        command: vec![RELAY_ARGUMENT.to_owned(), format!("{ROOT}/{WAY}/{SOCKET}")],
        sees: own_container::mount(&way, WAY, Access::ReadOnly),
        capabilities: Vec::new(),
    };
    let labels = shared.owner.labels_of_job(&run.job_id, &run.execution_id);
    let id = create(shared, connection, &name, errand.body(&program, image, labels)).await?;
    undo.is(&id);
    let frames = attach(connection, &id).await?;
    let started = connection.docker.start_container(&id, None).await;
    started.map_err(|error| Error::container("start the relay for HTTP networking", &error))?;
    let heard = timeout(PATIENCE, until_it_listens(frames)).await;
    heard.unwrap_or_else(|_| Err("it took too long to start".to_owned())).map_err(Error::Relay)?;
    Ok(Some(Relay { id, undo }))
}

/// Opens the agent's side again, for a task that was started by an earlier agent process.
pub(super) fn reopen(shared: &Shared, run: &TaskRun) {
    if run.network.network_type == NetworkType::Http
        && let Err(error) = open_proxy(shared, run)
    {
        tracing::warn!(execution_id = run.execution_id, %error, "the way out of a task cannot be opened again");
        shared.proxies.put(&run.execution_id, None);
    }
}

/// Returns the directory of its socket.
fn open_proxy(shared: &Shared, run: &TaskRun) -> io::Result<PathBuf> {
    shared.proxies.close(&run.execution_id);
    let way = run.scratch_dir.join(WAY);
    let rules = Rules {
        domains: Domains::new(run.network.domains.iter().map(String::as_str)),
        job_id: run.job_id.clone(),
        reachable: is_outside,
    };
    let (proxy, mut refusals) = Egress::open(listen(&way)?, rules, &shared.settings.clock);
    shared.proxies.put(&run.execution_id, Some(proxy));
    let notes = run.notes.clone();
    shared.spawn(async move {
        while let Some(refusal) = refusals.recv().await {
            notes.progress(topic::RUNNING, refusal);
        }
    });
    Ok(way)
}

/// Listens on a socket in `directory` that the relay may use whoever it is; the directories above keep the node's own
/// users out.
fn listen(directory: &Path) -> io::Result<UnixListener> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    std::fs::set_permissions(directory, Permissions::from_mode(0o711))?;
    let socket = directory.join(SOCKET);
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Names of sockets are short (unix(7)), paths of data directories need not be.
    let handle = File::open(directory)?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd()))?;
    std::fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Waits for the word that it listens; fails with its last words.
async fn until_it_listens(mut frames: Frames) -> Result<(), String> {
    let mut heard = Vec::new();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| said(&error))?;
        heard.extend_from_slice(&frame.into_bytes());
        if heard.split(|byte| *byte == b'\n').any(|line| line == LISTENING.as_bytes()) {
            return Ok(());
        }
        if heard.len() > MAX_SAID_BYTES {
            break;
        }
    }
    heard.truncate(MAX_SAID_BYTES);
    let heard = String::from_utf8_lossy(&heard);
    Err(format!(
        "the relay did not start: {}",
        if heard.trim().is_empty() { "it said nothing" } else { heard.trim() }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_takes_the_place_of_an_older_one_under_any_path() {
        let directory = tempfile::tempdir().unwrap();
        let way = directory.path().join("d".repeat(120)).join("way");
        drop(listen(&way).unwrap());
        let _listener = listen(&way).unwrap();
        assert_eq!(std::fs::metadata(way.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o666);
    }
}
