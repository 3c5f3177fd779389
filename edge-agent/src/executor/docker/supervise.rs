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
/// An engine that goes sooner than this after it came is one that does not answer: it is on its way down, or somebody
/// between does not let events through.
const SETTLED: Duration = Duration::from_secs(30);
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
                tracing::info!(host, %platform, "docker engine found");
                shared.engine.set(State::Up(Connection { docker: docker.clone(), epoch, platform }));
                let sweeper = Arc::clone(&shared);
                shared.spawn(async move { sweep::sweep(&sweeper).await });
                let has_settled = until_it_ends(&docker).await;
                tracing::warn!(host, "docker engine lost");
                shared.engine.set(State::Down(format!("the Docker engine at {host} went away")));
                if has_settled {
                    pause = FIRST_PAUSE;
                    continue;
                }
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

/// Returns when the engine closes its event stream, and whether it had lived for a while. The filter lets through what
/// hardly ever happens.
async fn until_it_ends(docker: &Docker) -> bool {
    let filters = HashMap::from([("type", vec!["daemon"]), ("event", vec!["reload"])]);
    let options = EventsOptionsBuilder::default().filters(&filters).build();
    let mut events = std::pin::pin!(docker.events(Some(options)));
    let mut ended = std::pin::pin!(async { while let Some(Ok(_)) = events.next().await {} });
    if timeout(SETTLED, &mut ended).await.is_ok() {
        return false;
    }
    ended.await;
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bacalhau_protocol::ids::NodeId;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::UnixListener;
    use tokio::sync::Notify;

    use super::super::{DockerExecutor, Settings};
    use super::*;
    use crate::clock::Clock;

    /// More looks at an engine than its pauses allow in a minute.
    const TOO_MANY: usize = 20;

    /// An engine that answers and whose event stream ends at once. Counts the streams.
    async fn serve(listener: UnixListener, streams: Arc<AtomicUsize>, too_many: Arc<Notify>) {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let (streams, too_many) = (Arc::clone(&streams), Arc::clone(&too_many));
            tokio::spawn(async move {
                let mut connection = BufReader::new(connection);
                let (mut line, mut head) = (String::new(), String::new());
                while connection.read_line(&mut line).await.is_ok_and(|length| length > 2) {
                    head.push_str(&std::mem::take(&mut line));
                }
                if head.contains("/events") && streams.fetch_add(1, Ordering::Relaxed) == TOO_MANY {
                    too_many.notify_one();
                }
                let version = r#"{"ApiVersion": "1.43", "Os": "linux", "Arch": "amd64"}"#;
                let body = if head.contains("/version") { version } else { "" };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_ends_its_events_at_once_is_looked_at_with_growing_pauses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let (streams, too_many) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(serve(listener, Arc::clone(&streams), Arc::clone(&too_many)));
        let node_id = NodeId::parse("n-1").unwrap();
        let settings = Settings::from_environment(node_id, Vec::new(), Clock::new(None), |_| None);
        let settings = Settings { host: format!("unix://{}", path.display()), ..settings };
        let _executor = DockerExecutor::new(settings);
        tokio::select! {
            () = sleep(Duration::from_secs(60)) => {}
            () = too_many.notified() => panic!("it is looked at without a pause"),
        }
        let looked = streams.load(Ordering::Relaxed);
        assert!((3..=7).contains(&looked), "{looked}");
    }
}
