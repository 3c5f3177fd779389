//! Counts what a device sends and receives: a UDP relay between it and the control plane.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

/// Bytes that IPv4 and UDP put in front of each datagram.
const HEADER_BYTES: u64 = 28;
const LARGEST_DATAGRAM: usize = 65_536;

/// Relays for one device as long as it is kept.
pub(crate) struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
    _task: AbortOnDropHandle<io::Result<()>>,
}

#[derive(Default)]
struct Counts {
    datagrams: AtomicU64,
    bytes: AtomicU64,
}

impl Relay {
    pub(crate) async fn start(target: SocketAddr) -> io::Result<Self> {
        let device = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let control_plane = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        control_plane.connect(target).await?;
        let (address, counts) = (device.local_addr()?, Arc::new(Counts::default()));
        let task = tokio::spawn(relay(device, control_plane, Arc::clone(&counts)));
        Ok(Self { address, counts, _task: AbortOnDropHandle::new(task) })
    }

    /// What the device dials instead.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams and bytes so far, both ways, IP and UDP headers included.
    pub(crate) fn counted(&self) -> (u64, u64) {
        (self.counts.datagrams.load(Ordering::Relaxed), self.counts.bytes.load(Ordering::Relaxed))
    }
}

async fn relay(device: UdpSocket, control_plane: UdpSocket, counts: Arc<Counts>) -> io::Result<()> {
    let (mut up, mut down) = (vec![0; LARGEST_DATAGRAM], vec![0; LARGEST_DATAGRAM]);
    let mut peer = None;
    loop {
        tokio::select! {
            received = device.recv_from(&mut up) => {
                let (size, from) = received?;
                peer = Some(from);
                counts.add(size);
                control_plane.send(&up[..size]).await?;
            }
            received = control_plane.recv(&mut down) => {
                let size = received?;
                counts.add(size);
                if let Some(peer) = peer {
                    device.send_to(&down[..size], peer).await?;
                }
            }
        }
    }
}

impl Counts {
    fn add(&self, bytes: usize) {
        self.datagrams.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64 + HEADER_BYTES, Ordering::Relaxed);
    }
}
