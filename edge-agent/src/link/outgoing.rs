//! The actor's end of one connection.

use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::wire::Refusal;
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::backoff::Ended;

/// Messages that wait to be written. A control plane that lets them pile up is cut off; the next connection finds out
/// what it missed.
const WAITING: usize = 256;

/// What the actor says on one connection. Never blocks; on a dead connection it does nothing.
#[derive(Debug)]
pub struct Outgoing {
    commands: mpsc::Sender<Command>,
    overflow: Arc<Notify>,
}

/// How the actor ends a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The control plane did not let the node in.
    Refused(Refusal),
    /// The node is no longer a member.
    Revoked,
    /// The control plane broke the protocol.
    Broken,
    /// The agent stops: what was sent before is delivered, and no new connection is made.
    Goodbye,
}

#[derive(Debug)]
pub(crate) enum Command {
    Send(Bytes),
    Welcomed,
    End(End),
}

/// The session's side of an [`Outgoing`].
pub(crate) struct Commands {
    pub(crate) queue: mpsc::Receiver<Command>,
    pub(crate) overflow: Arc<Notify>,
}

impl Outgoing {
    pub(crate) fn new() -> (Self, Commands) {
        let (commands, queue) = mpsc::channel(WAITING);
        let overflow = Arc::new(Notify::new());
        (Self { commands, overflow: Arc::clone(&overflow) }, Commands { queue, overflow })
    }

    /// Sends bytes of the control stream.
    pub fn send(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.command(Command::Send(bytes));
        }
    }

    /// The control plane let the node in: its authority is pinned, requests of [`Client`](super::Client) are served
    /// from now on, and the next reconnect starts without delay.
    pub fn welcomed(&self) {
        self.command(Command::Welcomed);
    }

    /// Sends what is waiting, then ends the connection. The reason decides how soon the next attempt is made.
    pub fn end(&self, end: End) {
        self.command(Command::End(end));
    }

    fn command(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.commands.try_send(command) {
            self.overflow.notify_one();
        }
    }
}

impl End {
    /// What the end means for the next attempt.
    pub(super) fn ended(&self) -> Ended {
        match self {
            Self::Revoked => Ended::Unwanted,
            Self::Refused(refusal) => Ended::Refused(Duration::from_secs(refusal.retry_after_s.into())),
            Self::Broken => Ended::Lost,
            Self::Goodbye => Ended::Goodbye,
        }
    }
}
