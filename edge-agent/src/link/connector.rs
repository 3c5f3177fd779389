//! The connect loop.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, Ended};
use super::quic::{Connection, DialError};
use super::session::{self, Surroundings};
use super::{DeviceFiles, Link};
use crate::config::Orchestrator;
use crate::entropy;

/// Addresses of one orchestrator that are tried.
const MAX_ADDRESSES: usize = 8;

/// Connects and runs sessions until the agent stops.
pub(super) async fn run(link: Link, files: Arc<dyn DeviceFiles>, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    let mut turn = 0;
    loop {
        let Some(connection) = stop.run_until_cancelled(link.dial(&mut turn)).await else { return };
        let was_reached = connection.is_some();
        let (ended, lived) = match connection {
            Some(connection) => link.session(connection, &files, &stop).await,
            None => (Ended::Lost, Duration::ZERO),
        };
        if ended == Ended::Goodbye {
            return;
        }
        if lived == Duration::ZERO {
            turn += 1;
        }
        let wait = backoff.wait(ended, lived, entropy::number());
        announce(ended, was_reached, wait);
        if stop.run_until_cancelled(sleep(wait)).await.is_none() {
            return;
        }
    }
}

impl Link {
    /// Tries every orchestrator once, beginning with the one whose turn it is.
    async fn dial(&self, turn: &mut usize) -> Option<Connection> {
        for _ in 0..self.orchestrators.len() {
            let orchestrator = &self.orchestrators[*turn % self.orchestrators.len()];
            if let Some(connection) = self.dial_one(orchestrator).await {
                return Some(connection);
            }
            *turn += 1;
        }
        None
    }

    /// Tries every address of an orchestrator.
    async fn dial_one(&self, orchestrator: &Orchestrator) -> Option<Connection> {
        let addresses = resolve(orchestrator).await;
        let addresses = addresses.inspect_err(|error| unreachable_at(orchestrator, None, error)).ok()?;
        for address in addresses {
            tracing::info!(%orchestrator, %address, "connecting to control plane");
            match self.dialer.dial(address).await {
                Ok(connection) => {
                    tracing::info!(%orchestrator, %address, "connected to control plane");
                    return Some(connection);
                }
                // Whoever answers is not who is trusted: no attempt will go better until somebody does something.
                Err(DialError::Untrusted(rejection)) => {
                    tracing::error!(%orchestrator, %address, "{rejection}");
                }
                Err(error) => unreachable_at(orchestrator, Some(address), &error),
            }
        }
        None
    }

    /// Runs a session. Gives how it ended and for how long the node was a welcome one.
    async fn session(
        &self,
        connection: Connection,
        files: &Arc<dyn DeviceFiles>,
        stop: &CancellationToken,
    ) -> (Ended, Duration) {
        let mut welcomed_at = None;
        let mut welcomed = || {
            welcomed_at = Some(self.clock.elapsed());
            if let Err(error) = self.authorities.pin(connection.authority, &self.orchestrators) {
                tracing::warn!(%error, "authority of the control plane cannot be pinned");
            }
            self.current.send_replace(Some(connection.clone()));
        };
        let surroundings = Surroundings { events: &self.events, files, stop };
        let ended = session::run(&connection, &surroundings, &mut welcomed).await;
        self.current.send_replace(None);
        let lived =
            welcomed_at.map(|at| self.clock.elapsed().saturating_sub(at).max(Duration::from_nanos(1)));
        (ended, lived.unwrap_or(Duration::ZERO))
    }
}

/// Says why there is no connection and when the next one is tried.
fn announce(ended: Ended, was_reached: bool, wait: Duration) {
    // A wait below a second is none to a person.
    let wait_s = wait.as_secs();
    match ended {
        Ended::Superseded(by) => tracing::warn!(
            taken_over_by = by.map(tracing::field::display),
            wait_s,
            "another agent with this node's key has taken its place: stop one of the two, or give the copy an \
             identity of its own by a new data directory; waiting to connect"
        ),
        _ if was_reached => tracing::info!(reason = %ended, wait_s, "waiting to connect"),
        _ => tracing::warn!(wait_s, "no connection to a control plane; waiting to connect"),
    }
}

/// The addresses of an orchestrator now; names are resolved anew for every attempt.
async fn resolve(orchestrator: &Orchestrator) -> io::Result<Vec<SocketAddr>> {
    let found = lookup_host((orchestrator.host.as_str(), orchestrator.port)).await?;
    Ok(found.take(MAX_ADDRESSES).collect())
}

fn unreachable_at(orchestrator: &Orchestrator, address: Option<SocketAddr>, error: &(dyn Error + 'static)) {
    let address = address.map(tracing::field::display);
    tracing::warn!(%orchestrator, address, error, "control plane cannot be reached");
}
