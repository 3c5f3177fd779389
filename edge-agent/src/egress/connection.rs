//! One client of the proxy, from its request to the end.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Gate;
use super::request::{Kind, MAX_HEAD_BYTES, Malformed, Request};

/// How long a client may take over its request, and a server over accepting a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names looked up at the same time, over all tasks of the node. The C library blocks a thread for each, and those are
/// few: slow names must not keep the agent from its disk.
const MAX_LOOKUPS: usize = 2;

static LOOKUPS: Semaphore = Semaphore::const_new(MAX_LOOKUPS);

/// Why a client is turned away.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the request's head is larger than {} KiB", MAX_HEAD_BYTES >> 10)]
    TooLarge,
    #[error("{0} is not among the domains of this job's network")]
    Domain(String),
    #[error("port {0} is refused: only 80, 443 and 1024 or above can be reached")]
    Port(u16),
    #[error("{0} is this node or its link, which jobs cannot reach")]
    Inside(String),
    #[error("{host} cannot be reached: {source}")]
    Unreachable { host: String, source: io::Error },
}

impl Refusal {
    fn status(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Length) => "411 Length Required",
            Self::Domain(_) | Self::Port(_) | Self::Inside(_) => "403 Forbidden",
            Self::Malformed(_) => "400 Bad Request",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Unreachable { .. } => "502 Bad Gateway",
        }
    }
}

/// Serves a client until it has what it asked for, or a reason why not.
pub(super) async fn serve(mut client: UnixStream, gate: &Gate) {
    // Nobody is left to be told when a client goes in the middle.
    let _ = converse(&mut client, gate).await;
}

async fn converse(client: &mut UnixStream, gate: &Gate) -> io::Result<()> {
    let Ok(asked) = timeout(PATIENCE, read_request(client, gate)).await else { return Ok(()) };
    let (request, rest) = match asked? {
        Ok(asked) => asked,
        Err(refusal) => return turn_away(client, &refusal).await,
    };
    let server = match connect(&request, gate).await {
        Ok(server) => server,
        Err(refusal) => {
            if matches!(refusal, Refusal::Domain(_) | Refusal::Port(_) | Refusal::Inside(_)) {
                gate.refuse(format!("{}:{}", request.host, request.port), &refusal);
            }
            return turn_away(client, &refusal).await;
        }
    };
    pass(client, server, request.kind, &rest, gate).await
}

/// The request, and what came after its head.
async fn read_request(
    client: &mut UnixStream,
    gate: &Gate,
) -> io::Result<Result<(Request, Vec<u8>), Refusal>> {
    let mut bytes = Vec::new();
    loop {
        match Request::parse(&bytes, &gate.rules.job_id) {
            Ok(Some((request, head_bytes))) => return Ok(Ok((request, bytes.split_off(head_bytes)))),
            Ok(None) if bytes.len() >= MAX_HEAD_BYTES => return Ok(Err(Refusal::TooLarge)),
            Ok(None) => {}
            Err(malformed) => return Ok(Err(malformed.into())),
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn connect(request: &Request, gate: &Gate) -> Result<TcpStream, Refusal> {
    let host = request.host.as_str();
    if !gate.rules.domains.allow(host) {
        return Err(Refusal::Domain(host.to_owned()));
    }
    if request.port < 1024 && !matches!(request.port, 80 | 443) {
        return Err(Refusal::Port(request.port));
    }
    let unreachable = |source| Refusal::Unreachable { host: host.to_owned(), source };
    let found = within_patience(look_up(host, request.port)).await.map_err(unreachable)?;
    let (outside, inside): (Vec<SocketAddr>, Vec<SocketAddr>) =
        found.into_iter().partition(|address| (gate.rules.reachable)(address.ip()));
    if outside.is_empty() && !inside.is_empty() {
        return Err(Refusal::Inside(host.to_owned()));
    }
    within_patience(TcpStream::connect(outside.as_slice())).await.map_err(unreachable)
}

async fn within_patience<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A look-up that nobody waits for any more goes on and keeps its place until it ends, for it keeps its thread.
async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = (host.to_owned(), port);
    let place = LOOKUPS.acquire().await.map_err(io::Error::other)?;
    let found = tokio::task::spawn_blocking(move || {
        let found = name.to_socket_addrs().map(Iterator::collect);
        drop(place);
        found
    });
    found.await.map_err(io::Error::other)?
}

async fn pass(
    client: &mut UnixStream,
    mut server: TcpStream,
    kind: Kind,
    rest: &[u8],
    gate: &Gate,
) -> io::Result<()> {
    let (from_client, mut to_client) = client.split();
    let from_client = rest.chain(from_client);
    match kind {
        Kind::Tunnel => {
            to_client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            let (from_server, mut to_server) = server.split();
            let up = async {
                // However the client ends, the server hears that nothing more comes.
                let _ = gate.up.copy(from_client, &mut to_server, u64::MAX).await;
                let _ = to_server.shutdown().await;
            };
            answer(up, gate.down.copy(from_server, &mut to_client, u64::MAX)).await?;
        }
        Kind::Forward { head, body_bytes } => {
            let (from_server, mut to_server) = server.split();
            let request = head.as_bytes().chain(from_client);
            let request_bytes = body_bytes.saturating_add(head.len() as u64);
            let up = async {
                // A server may answer and close before it has read everything: the answer counts. And the sending side
                // stays open: many servers take its end for a client that left.
                let _ = gate.up.copy(request, &mut to_server, request_bytes).await;
            };
            answer(up, gate.down.copy(from_server, &mut to_client, u64::MAX)).await?;
        }
    }
    take_leave(client).await
}

/// Runs both directions until the server has said everything.
async fn answer(up: impl Future<Output = ()>, down: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let up = async {
        up.await;
        std::future::pending().await
    };
    tokio::select! {
        ended = down => ended,
        ended = up => ended,
    }
}

async fn turn_away(client: &mut UnixStream, refusal: &Refusal) -> io::Result<()> {
    let text = format!("bacalhau: {refusal}\n");
    let status = refusal.status();
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    );
    client.write_all(answer.as_bytes()).await?;
    take_leave(client).await
}

/// Closing while the client still sends would take the answer away from it before it has read it.
async fn take_leave(client: &mut UnixStream) -> io::Result<()> {
    client.shutdown().await?;
    let rest = async { tokio::io::copy(client, &mut tokio::io::sink()).await };
    timeout(PATIENCE, rest).await.map_or(Ok(()), |ended| ended.map(drop))
}
