//! The device's UDP socket, made to need little memory.
//!
//! quinn sets a buffer aside for all that one system call may receive. Where the kernel joins datagrams (UDP GRO), that
//! is 64 datagrams in each of 32 places, 3 MB, which a busy hour fills and an idle year keeps. A device does without:
//! it takes 32 datagrams at a time, in 47 KB.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};

/// Opens a socket on the current runtime.
pub(super) fn open(address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = UdpSocket::bind(address)?;
    let same = socket.try_clone()?;
    // Turns joining on, whatever the socket was before.
    let joining = TokioRuntime.wrap_udp_socket(socket)?;
    match receive_apart(&same) {
        Ok(()) => Ok(Arc::new(Apart(joining))),
        // A kernel that knows nothing of joining; quinn has found out too.
        Err(_) => Ok(joining),
    }
}

/// Tells the kernel to hand over every datagram by itself.
fn receive_apart(socket: &UdpSocket) -> io::Result<()> {
    let off: libc::c_int = 0;
    let size = libc::socklen_t::try_from(size_of_val(&off)).expect("an integer is small");
    // SAFETY: the descriptor is open, and the option is an integer of this size that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_GRO,
            (&raw const off).cast::<libc::c_void>(),
            size,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A socket that receives no joined datagrams. Says so by the trait's default of `max_receive_segments`.
struct Apart(Arc<dyn AsyncUdpSocket>);

impl fmt::Debug for Apart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl AsyncUdpSocket for Apart {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.0).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_recv(context, buffers, metas)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.max_transmit_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::Ipv4Addr;

    use super::*;

    /// Datagrams of one size, sent in one call: what a kernel that joins would join.
    #[tokio::test]
    async fn datagrams_that_were_sent_together_come_apart() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (sending, receiving) = (open(any).unwrap(), open(any).unwrap());
        assert_eq!(receiving.max_receive_segments(), 1);
        let sent: Vec<u8> = (0..4).flat_map(|number| [number; 100]).collect();
        let segments = sent.len().min(100 * sending.max_transmit_segments());
        let transmit = Transmit {
            destination: receiving.local_addr().unwrap(),
            ecn: None,
            contents: &sent[..segments],
            segment_size: Some(100),
            src_ip: None,
        };
        let mut ready = Arc::clone(&sending).create_io_poller();
        poll_fn(|context| ready.as_mut().poll_writable(context)).await.unwrap();
        sending.try_send(&transmit).unwrap();

        let mut received = Vec::new();
        while received.len() < segments {
            let (mut buffer, mut metas) = ([0; 1472], [RecvMeta::default()]);
            let mut buffers = [IoSliceMut::new(&mut buffer)];
            let count =
                poll_fn(|context| receiving.poll_recv(context, &mut buffers, &mut metas)).await.unwrap();
            assert_eq!((count, metas[0].len), (1, 100));
            received.extend_from_slice(&buffer[..100]);
        }
        assert_eq!(received, &sent[..segments]);
    }
}
