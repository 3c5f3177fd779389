//! The network between an agent and the control plane.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

const LARGEST_DATAGRAM: usize = 65_536;
/// In the first byte of the datagrams that begin a connection (RFC 9000, 17.2).
const LONG_HEADER: u8 = 0x80;

/// Relays the datagrams of one agent as long as it is kept.
pub(crate) struct Relay {
    address: SocketAddr,
    is_muted: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    pub(crate) async fn start(target: &str) -> Self {
        let agent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let control_plane = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        control_plane.connect(target).await.unwrap();
        let (address, is_muted) = (agent.local_addr().unwrap(), Arc::<AtomicBool>::default());
        let task = AbortOnDropHandle::new(tokio::spawn(relay(agent, control_plane, is_muted.clone())));
        Self { address, is_muted, _task: task }
    }

    /// What the agent dials instead.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing that the agent sends arrives, until it begins a new connection.
    pub(crate) fn mute(&self) {
        self.is_muted.store(true, Ordering::SeqCst);
    }
}

/// A control plane that is not there costs datagrams, nothing else.
async fn relay(agent: UdpSocket, control_plane: UdpSocket, is_muted: Arc<AtomicBool>) {
    let (mut up, mut down) = (vec![0; LARGEST_DATAGRAM], vec![0; LARGEST_DATAGRAM]);
    let mut peer = None;
    loop {
        tokio::select! {
            received = agent.recv_from(&mut up) => {
                let Ok((size, from)) = received else { continue };
                peer = Some(from);
                if up[0] & LONG_HEADER != 0 {
                    is_muted.store(false, Ordering::SeqCst);
                }
                if !is_muted.load(Ordering::SeqCst) {
                    let _ = control_plane.send(&up[..size]).await;
                }
            }
            received = control_plane.recv(&mut down) => {
                if let (Ok(size), Some(peer)) = (received, peer) {
                    let _ = agent.send_to(&down[..size], peer).await;
                }
            }
        }
    }
}
