//! The connection to the engine, as everybody but its supervisor sees it.

use std::time::Duration;

use bollard::Docker;
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::Error;
use crate::executor::Availability;

/// Where an engine listens unless told otherwise.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// An engine that answers.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) docker: Docker,
    /// Counts connections, so that who lost one can wait for a later one.
    pub(super) epoch: u64,
    /// `os/architecture` of its images, in Go's words.
    pub(super) platform: Platform,
}

/// What an image is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) arch: String,
}

#[derive(Clone)]
pub(super) enum State {
    /// Nobody has looked yet.
    Unknown,
    Up(Connection),
    /// And why.
    Down(String),
}

/// The engine's state, shared by all executions.
pub(super) struct Engine {
    state: watch::Sender<State>,
    /// Tells the outside that availability changed.
    changed: watch::Sender<()>,
}

impl Default for Engine {
    fn default() -> Self {
        Self { state: watch::channel(State::Unknown).0, changed: watch::channel(()).0 }
    }
}

impl Engine {
    pub(super) fn set(&self, state: State) {
        let is_news = |old: &State| match (old, &state) {
            (State::Up(_), State::Up(_)) => false,
            (State::Down(old), State::Down(new)) => old != new,
            _ => true,
        };
        let is_news = is_news(&self.state.borrow());
        self.state.send_replace(state);
        if is_news {
            self.changed.send_replace(());
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) async fn availability(&self) -> Availability {
        match self.current().await {
            Ok(_) => Availability::Ready,
            Err(Error::Engine(reason)) => Availability::Unavailable(reason),
            Err(other) => Availability::Unavailable(other.to_string()),
        }
    }

    /// The connection, if there is one now.
    pub(super) async fn current(&self) -> Result<Connection, Error> {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`; the first look at the engine has a limit.
        let known = state.wait_for(|state| !matches!(state, State::Unknown)).await;
        match known.as_deref() {
            Ok(State::Up(connection)) => Ok(connection.clone()),
            Ok(State::Down(reason)) => Err(Error::Engine(reason.clone())),
            _ => Err(Error::Engine("the agent is ending".to_owned())),
        }
    }

    /// A connection within this time.
    pub(super) async fn within(&self, limit: Duration) -> Result<Connection, Error> {
        match timeout(limit, self.after(0)).await {
            Ok(connection) => Ok(connection),
            Err(_) => self.current().await,
        }
    }

    /// A connection later than `epoch`; waits for it.
    pub(super) async fn after(&self, epoch: u64) -> Connection {
        let mut state = self.state.subscribe();
        let later = |state: &State| matches!(state, State::Up(connection) if connection.epoch > epoch);
        let found = state.wait_for(later).await.ok().and_then(|state| match &*state {
            State::Up(connection) => Some(connection.clone()),
            _ => None,
        });
        match found {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)
    }
}
