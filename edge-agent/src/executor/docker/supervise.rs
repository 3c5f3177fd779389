//! Keeps the connection to the engine.
//!
//! While the engine answers, its event stream is held open and nothing is sent; the stream's end says that the engine
//! went. While it does not, there are two cases. A socket that is not there: nothing is tried until the file system
//! tells that something came to its place. A socket that does not answer, or an engine across the network: tried again
//! with growing pauses, and at once when the socket is made anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::EventsOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt;
use std::collections::HashMap;
use tokio::time::{sleep, timeout};

use super::engine::{Connection, Platform, State};
use super::{Shared, arrival, sweep};

/// How long the engine may take to answer the first question.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Longest request other than a wait, seconds: starting a container on a slow card.
const REQUEST_LIMIT_S: u64 = 120;
/// First pause before an engine that does not answer is tried again; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

pub(super) async fn run(shared: Arc<Shared>) {
    let host = shared.settings.host.clone();
    let socket = host.strip_prefix("unix://").map(PathBuf::from);
    let (mut pause, mut epoch) = (FIRST_PAUSE, 0);
    loop {
        // Before the try, so that nothing which comes during it is missed.
        let arrival = socket.as_deref().map(arrival::watch);
        match timeout(ANSWER_LIMIT, connect(&host)).await.unwrap_or_else(|_| Err("it does not answer".into()))
        {
            Ok((docker, platform)) => {
                epoch += 1;
                pause = FIRST_PAUSE;
                tracing::info!(host, %platform, "docker engine found");
                shared.engine.set(State::Up(Connection { docker: docker.clone(), epoch, platform }));
                let sweeper = Arc::clone(&shared);
                shared.spawn(async move { sweep::sweep(&sweeper).await });
                until_it_ends(&docker).await;
                tracing::warn!(host, "docker engine lost");
                shared.engine.set(State::Down(format!("the Docker engine at {host} went away")));
                continue;
            }
            Err(reason) => {
                tracing::debug!(host, reason, "no docker engine");
                shared.engine.set(State::Down(format!("no Docker engine at {host}: {reason}")));
            }
        }
        let may_answer_later = socket.as_deref().is_none_or(Path::exists);
        tokio::select! {
            () = arrived(arrival) => pause = FIRST_PAUSE,
            () = sleep(pause), if may_answer_later => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

async fn arrived(arrival: Option<Result<arrival::Arrival, std::io::Error>>) {
    match arrival {
        Some(Ok(arrival)) => arrival.wait().await,
        Some(Err(error)) => {
            tracing::warn!(%error, "the docker socket cannot be watched; looking again in a while");
            sleep(LONGEST_PAUSE).await;
        }
        None => std::future::pending().await,
    }
}

async fn connect(host: &str) -> Result<(Docker, Platform), String> {
    let docker = if let Some(path) = host.strip_prefix("unix://") {
        if !Path::new(path).exists() {
            return Err("there is no such socket; install or start Docker".to_owned());
        }
        // The client's own errors do not tell what is wrong with a socket.
        tokio::net::UnixStream::connect(path).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "permission denied; add the agent's user to the group docker and start the agent again"
                    .to_owned()
            }
            _ => error.to_string(),
        })?;
        Docker::connect_with_unix(host, REQUEST_LIMIT_S, API_DEFAULT_VERSION)
    } else if host.starts_with("tcp://") || host.starts_with("http://") {
        Docker::connect_with_http(host, REQUEST_LIMIT_S, API_DEFAULT_VERSION)
    } else {
        return Err("DOCKER_HOST must begin with unix:// or tcp://".to_owned());
    };
    let negotiated = async { docker?.negotiate_version().await };
    let docker = negotiated.await.map_err(|error| error.to_string())?;
    let version = docker.version().await.map_err(|error| error.to_string())?;
    let platform = Platform { os: version.os.unwrap_or_default(), arch: version.arch.unwrap_or_default() };
    Ok((docker, platform))
}

/// Returns when the engine closes its event stream. The filter lets through what hardly ever happens.
async fn until_it_ends(docker: &Docker) {
    let filters = HashMap::from([("type", vec!["daemon"]), ("event", vec!["reload"])]);
    let options = EventsOptionsBuilder::default().filters(&filters).build();
    let mut events = std::pin::pin!(docker.events(Some(options)));
    while let Some(Ok(_)) = events.next().await {}
}
