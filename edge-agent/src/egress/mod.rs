//! The only way out for a task with HTTP networking: a forward proxy that passes requests to the listed domains, at a
//! limited rate, and refuses everything else.
//!
//! [`Domains`] decides who may be reached, [`request`] what a client wants, [`rate`] when bytes may pass; none of them
//! does I/O. Names are resolved here, on the node, and an address of the node itself or of its link is refused whatever
//! name led to it: a job's author does not get at the device's own services or at a cloud's metadata.
//!
//! The task's end is [`relay`], a process of this same program in the task's network.
//!
//! One connection carries one request, so that each is checked. What goes through a tunnel (`CONNECT`) is encrypted and
//! not looked at.

mod connection;
mod domains;
mod outside;
mod rate;
mod relay;
mod request;
mod throttle;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;

pub use domains::Domains;
pub use outside::is_outside;
pub use relay::{LISTENING, RELAY_PORT, relay};

use throttle::Throttle;

/// Bytes per second that pass in each direction, over all connections of a task: 10 Mbit/s (semantics.md 5.6).
pub const BYTES_PER_SECOND: u64 = 10_000_000 / 8;
/// Connections a task may have open; more wait.
pub const MAX_CONNECTIONS: usize = 64;
/// Different destinations that are told after they were refused; later ones are refused in silence, so that a task
/// cannot fill its own history.
pub const MAX_REFUSALS_TOLD: usize = 8;
/// How long a proxy without a client waits for file descriptors to become free.
const BREATH: Duration = Duration::from_secs(1);

/// What one task may do.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whom it may reach.
    pub domains: Domains,
    /// Whose task it is; told to servers as `X-Bacalhau-Job-ID` with requests that are not encrypted.
    pub job_id: String,
    /// Which addresses count as outside: [`is_outside`].
    pub reachable: fn(IpAddr) -> bool,
}

/// A running proxy. Dropping it ends all its connections.
#[derive(Debug)]
pub struct Egress {
    _accepting: AbortOnDropHandle<()>,
}

impl Egress {
    /// Serves whoever connects to `listener`, to which only the task has a way. The receiver gets a sentence for each
    /// destination that was refused.
    pub fn open(listener: UnixListener, rules: Rules, clock: &Clock) -> (Self, mpsc::Receiver<String>) {
        let (tell, refusals) = mpsc::channel(MAX_REFUSALS_TOLD);
        let gate = Gate {
            rules,
            up: Throttle::new(clock.clone(), BYTES_PER_SECOND),
            down: Throttle::new(clock.clone(), BYTES_PER_SECOND),
            refused: Mutex::default(),
            tell,
        };
        let accepting = tokio::spawn(accept(listener, Arc::new(gate)));
        (Self { _accepting: AbortOnDropHandle::new(accepting) }, refusals)
    }
}

/// What all connections of a task share.
struct Gate {
    rules: Rules,
    up: Throttle,
    down: Throttle,
    refused: Mutex<BTreeSet<String>>,
    tell: mpsc::Sender<String>,
}

impl Gate {
    /// Tells once of each destination that was refused, and why. There is room for all that are told.
    fn refuse(&self, destination: String, why: &impl fmt::Display) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("Refused to connect to {destination}: {why}");
        if refused.len() < MAX_REFUSALS_TOLD && refused.insert(destination) {
            // The receiver may be gone: then nobody wants to know.
            let _ = self.tell.try_send(text);
        }
    }
}

async fn accept(listener: UnixListener, gate: Arc<Gate>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        // A client that was gone again, or no file descriptors left: a connection that ends frees some.
        let Ok((client, _)) = listener.accept().await else {
            drop(place);
            if connections.join_next().await.is_none() {
                tokio::time::sleep(BREATH).await;
            }
            continue;
        };
        let gate = Arc::clone(&gate);
        connections.spawn(async move {
            connection::serve(client, &gate).await;
            drop(place);
        });
    }
}
