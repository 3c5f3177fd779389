//! The far end of the way out, a process in the task's own network: carries bytes between a port there and the agent's
//! socket, and knows nothing of what they mean.

use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime;
use tokio::sync::Semaphore;

use super::MAX_CONNECTIONS;

/// Where the task finds the proxy, on its loopback.
pub const RELAY_PORT: u16 = 8080;
/// The line it prints once requests are heard.
pub const LISTENING: &str = "listening";
/// For the moments in which no agent runs.
const AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Retry-After: 5\r\nConnection: close\r\n\r\nbacalhau: this node's agent is not running; try again soon\n";

/// What the program does when its first argument is [`crate::RELAY_ARGUMENT`]; the next one is the agent's socket.
/// Ends only when something is wrong.
pub fn relay(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(socket) = arguments.next() else {
        eprintln!("the path of the agent's socket is missing");
        return ExitCode::from(2);
    };
    let runtime = runtime::Builder::new_current_thread().enable_io().build();
    let ended = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, RELAY_PORT)).await?;
            println!("{LISTENING}");
            serve(&listener, PathBuf::from(socket).into()).await
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until accepting fails.
async fn serve(listener: &TcpListener, socket: Arc<Path>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error),
        };
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            // Either side may go at any time; both see it.
            let _ = carry(client, &socket).await;
            drop(place);
        });
    }
}

async fn carry(mut client: TcpStream, socket: &Path) -> io::Result<()> {
    match UnixStream::connect(socket).await {
        Ok(mut agent) => copy_bidirectional(&mut client, &mut agent).await.map(drop),
        Err(_) => {
            client.write_all(AWAY).await?;
            client.shutdown().await?;
            // Closing before the request was read would take the answer away from the client.
            tokio::io::copy(&mut client, &mut tokio::io::sink()).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixListener;

    use super::*;

    /// A relay to `socket`, and where it listens.
    async fn relay_to(socket: &Path) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = socket.into();
        tokio::spawn(async move { serve(&listener, socket).await });
        address
    }

    async fn ask(relay: std::net::SocketAddr, request: &[u8]) -> String {
        let mut client = TcpStream::connect(relay).await.unwrap();
        client.write_all(request).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_ends_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let agent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.unwrap();
            stream.write_all(b"pong").await.unwrap();
            heard
        });
        let relay = relay_to(&socket).await;
        assert_eq!(ask(relay, b"ping").await, "pong");
        assert_eq!(agent.await.unwrap(), "ping");
    }

    #[tokio::test]
    async fn without_an_agent_the_task_is_told_to_try_again() {
        let directory = tempfile::tempdir().unwrap();
        let relay = relay_to(&directory.path().join("socket")).await;
        let answer = ask(relay, b"GET http://example.com/ HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("try again"), "{answer}");
    }
}
