//! Copies bytes no faster than a rate that several copies share.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::clock::Clock;

use super::rate::Rate;

/// Bytes that may pass at once after a quiet time, and most that are held of a connection and direction.
const BURST_BYTES: usize = 16 << 10;

/// One direction of a task.
pub(super) struct Throttle {
    clock: Clock,
    rate: Mutex<Rate>,
}

impl Throttle {
    pub(super) fn new(clock: Clock, bytes_per_second: u64) -> Self {
        Self { clock, rate: Mutex::new(Rate::new(bytes_per_second, BURST_BYTES as u64)) }
    }

    /// Copies at most `limit` bytes until the end of `from`.
    pub(super) async fn copy(
        &self,
        from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        limit: u64,
    ) -> io::Result<()> {
        let mut from = from.take(limit);
        let mut buffer = vec![0; BURST_BYTES];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            self.pass(count).await;
            to.write_all(&buffer[..count]).await?;
        }
    }

    async fn pass(&self, bytes: usize) {
        let now = self.clock.elapsed();
        let wait = self.rate.lock().unwrap_or_else(PoisonError::into_inner).reserve(bytes as u64, now);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}
