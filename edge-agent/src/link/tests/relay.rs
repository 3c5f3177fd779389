//! A network between the device and the control plane that gives the device another address when asked to.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Longest datagram.
const MAX_BYTES: usize = 65_536;

pub(super) struct Relay {
    /// What the device dials.
    pub(super) address: SocketAddr,
    moves: mpsc::Sender<()>,
}

impl Relay {
    /// Passes on whatever comes for `server`, and back.
    pub(super) fn start(server: SocketAddr) -> Self {
        let device_side = socket();
        let address = device_side.local_addr().unwrap();
        let (moves, wanted) = mpsc::channel(1);
        tokio::spawn(pass_on(device_side, server, wanted));
        Self { address, moves }
    }

    /// From now on the device has another address.
    pub(super) async fn move_device(&self) {
        self.moves.send(()).await.unwrap();
    }
}

async fn pass_on(device_side: UdpSocket, server: SocketAddr, mut moves: mpsc::Receiver<()>) {
    let (mut server_side, mut device) = (socket(), server);
    let (mut up, mut down) = (vec![0; MAX_BYTES], vec![0; MAX_BYTES]);
    loop {
        tokio::select! {
            Ok((length, from)) = device_side.recv_from(&mut up) => {
                device = from;
                server_side.send_to(&up[..length], server).await.unwrap();
            }
            Ok((length, _)) = server_side.recv_from(&mut down) => {
                device_side.send_to(&down[..length], device).await.unwrap();
            }
            moved = moves.recv() => match moved {
                Some(()) => server_side = socket(),
                None => return,
            },
        }
    }
}

fn socket() -> UdpSocket {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    UdpSocket::from_std(socket).unwrap()
}
