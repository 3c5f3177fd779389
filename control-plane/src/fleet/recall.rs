//! Calls back the nodes that were connected when the control plane was killed.
//!
//! A node whose connection is idle sends nothing until its next keep-alive, and only what it sends is answered with a
//! stateless reset. So the control plane notes who is connected, and the next one sends each of them the reset of its
//! connection unasked: a datagram that ends with the connection's token is a reset, whatever brought it about (RFC 9000,
//! 10.3.1).
//!
//! The note is a hint and never synced. Without it, or where the address translator of a node has forgotten it, the node
//! finds out by its keep-alive.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::future::poll_fn;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quinn::udp::Transmit;
use quinn::{AsyncUdpSocket, Connecting, ConnectionError, Incoming};
use quinn_proto::{ConnectionId, ConnectionIdGenerator, HashedConnectionIdGenerator, InvalidCid};
use ring::hmac;

use super::Shared;
use crate::entropy;

/// Between two calls: as many nodes come back in a second as two cores can shake hands with.
const PACE: Duration = Duration::from_millis(1);
/// Between two writes of the note.
const PAUSE: Duration = Duration::from_secs(5);
/// Nodes called at most; the note is not read beyond them.
const MAX_CALLED: usize = 100_000;
/// Random bytes before the token, so that the datagram looks like any other.
const PADDING_BYTES: usize = 25;
/// Last bytes of a stateless reset.
const TOKEN_BYTES: usize = 16;

/// What it takes to reset a node's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// The connection's id, as the node uses it: nodes keep to that of the handshake.
    pub(super) id: ConnectionId,
    /// Where the node was heard last.
    pub(super) address: SocketAddr,
    /// The address it sends to, where the system tells.
    pub(super) local_ip: Option<IpAddr>,
}

/// Calls those in the note, then keeps it.
pub(super) async fn run(shared: Arc<Shared>, socket: Arc<dyn AsyncUdpSocket>, key: hmac::Key, note: PathBuf) {
    let peers = read(&note).await;
    if !peers.is_empty() {
        tracing::info!(nodes = peers.len(), "calling back the nodes that were connected");
        call(&peers, socket, &key).await;
    }
    loop {
        shared.sessions.changed().await;
        let text = encode(&shared.sessions.peers());
        if let Err(error) = write(note.clone(), text).await {
            tracing::warn!(path = %note.display(), %error, "who is connected cannot be noted");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn call(peers: &[Peer], socket: Arc<dyn AsyncUdpSocket>, key: &hmac::Key) {
    let mut pace = tokio::time::interval(PACE);
    let mut poller = Arc::clone(&socket).create_io_poller();
    for peer in peers {
        pace.tick().await;
        let datagram = reset(key, &peer.id);
        let transmit = Transmit {
            destination: peer.address,
            ecn: None,
            contents: &datagram,
            segment_size: None,
            src_ip: peer.local_ip,
        };
        let sent = match poll_fn(|context| poller.as_mut().poll_writable(context)).await {
            Ok(()) => socket.try_send(&transmit),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(address = %peer.address, %error, "node not called back");
        }
    }
}

/// The stateless reset of the connection `id` (RFC 9000, figure 10).
fn reset(key: &hmac::Key, id: &ConnectionId) -> [u8; PADDING_BYTES + TOKEN_BYTES] {
    let mut datagram = [0; PADDING_BYTES + TOKEN_BYTES];
    datagram[..PADDING_BYTES].copy_from_slice(&entropy::bytes::<PADDING_BYTES>());
    datagram[0] = 0b0100_0000 | (datagram[0] >> 2);
    datagram[PADDING_BYTES..].copy_from_slice(&hmac::sign(key, id).as_ref()[..TOKEN_BYTES]);
    datagram
}

async fn read(note: &Path) -> Vec<Peer> {
    match tokio::fs::read(note).await {
        Ok(text) => decode(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %note.display(), %error, "who was connected cannot be read");
            Vec::new()
        }
    }
}

async fn write(note: PathBuf, text: String) -> io::Result<()> {
    let write = move || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).open(note)?.write_all(text.as_bytes())
    };
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
}

/// A line for each, beginning with a checksum of the rest.
fn encode(peers: &[Peer]) -> String {
    let lines = peers.iter().map(|peer| {
        let id: String = super::authority::hex(&peer.id);
        let local_ip = peer.local_ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        let rest = format!("{id} {} {local_ip}", peer.address);
        format!("{:08x} {rest}\n", crc32fast::hash(rest.as_bytes()))
    });
    lines.collect()
}

/// The lines that are whole.
fn decode(text: &[u8]) -> Vec<Peer> {
    let lines = text.split(|byte| *byte == b'\n').take(MAX_CALLED);
    lines.filter_map(|line| decode_line(std::str::from_utf8(line).ok()?)).collect()
}

fn decode_line(line: &str) -> Option<Peer> {
    let (checksum, rest) = line.split_once(' ')?;
    if u32::from_str_radix(checksum, 16) != Ok(crc32fast::hash(rest.as_bytes())) {
        return None;
    }
    let mut words = rest.split(' ');
    let id = u64::from_str_radix(words.next()?, 16).ok()?;
    let address = words.next()?.parse().ok()?;
    let local_ip = words.next()?.parse().ok();
    Some(Peer { id: ConnectionId::new(&id.to_be_bytes()), address, local_ip })
}

/// Makes ids, and tells [`accept`] which one it made for a connection.
pub(super) struct Ids(HashedConnectionIdGenerator);

thread_local! {
    /// The last id made on this thread. The transport does not tell a connection's ids.
    static LAST: Cell<Option<ConnectionId>> = const { Cell::new(None) };
}

impl Ids {
    pub(super) fn from_key(key: u64) -> Self {
        Self(HashedConnectionIdGenerator::from_key(key))
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let id = self.0.generate_cid();
        LAST.set(Some(id));
        id
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.0.validate(id)
    }

    fn cid_len(&self) -> usize {
        self.0.cid_len()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        self.0.cid_lifetime()
    }
}

/// Begins the handshake, and gives the id that the node will use: accepting makes it, before it returns.
pub(super) fn accept(incoming: Incoming) -> Result<(Connecting, Option<ConnectionId>), ConnectionError> {
    LAST.set(None);
    let connecting = incoming.accept()?;
    Ok((connecting, LAST.take()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peers() -> Vec<Peer> {
        let peer = |id: u64, address: &str, local_ip: Option<&str>| Peer {
            id: ConnectionId::new(&id.to_be_bytes()),
            address: address.parse().unwrap(),
            local_ip: local_ip.map(|ip| ip.parse().unwrap()),
        };
        vec![
            peer(1, "203.0.113.7:4433", None),
            peer(u64::MAX, "[2001:db8::1]:9", Some("2001:db8::2")),
            peer(0x0123_4567_89ab_cdef, "[::ffff:192.0.2.1]:65535", Some("192.0.2.2")),
        ]
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        assert_eq!(decode(encode(&peers()).as_bytes()), peers());
        assert_eq!(decode(b""), []);
    }

    proptest! {
        #[test]
        fn damage_costs_the_lines_it_hits(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut text = encode(&peers()).into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            let left = decode(&text);
            prop_assert!(left.len() >= peers().len() - 2, "a line's end may be hit");
            prop_assert!(left.iter().all(|peer| peers().contains(peer)));
            text.truncate(cut.index(text.len()));
            prop_assert!(decode(&text).iter().all(|peer| peers().contains(peer)));
        }
    }
}
