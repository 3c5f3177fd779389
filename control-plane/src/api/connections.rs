//! Connections of callers, within limits: so many at a time, so long for the head of a request, so large.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at a time; more wait in the kernel.
const MAX_CONNECTIONS: usize = 4096;
/// Longest wait for the head of a request, also on a connection that is kept: whoever sends nothing goes.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// Largest head of a request, bytes; beyond it is 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Serves until `stop`; then lets what is being answered end.
pub(super) async fn serve<L: Listener>(mut listener: L, routes: Router, stop: CancellationToken) {
    let (slots, connections) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), TaskTracker::new());
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await.0)
        };
        let (slot, stream) = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => break,
        };
        let (routes, stop) = (routes.clone(), stop.clone());
        connections.spawn(async move {
            answer(stream, routes, stop).await;
            drop(slot);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn answer<S>(stream: S, routes: Router, stop: CancellationToken)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
