//! Lets a sleeping guest be woken.
//!
//! File operations may block a guest's thread, which makes them fast. The WASI library takes that permission to mean
//! that the plainest sleep, one relative timer, may block it as well, and a thread asleep for an hour cannot be stopped.
//! So that one case is answered here and every other wait is handed on.

use std::time::Duration;

use wasmtime::{AsContextMut, Caller, Extern, Linker};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use super::guest::WASI_MODULE;
use super::host::Host;

/// Replaces the library's `poll_oneoff` in `linker`.
pub(super) fn make_interruptible(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.func_wrap_async(WASI_MODULE, "poll_oneoff", |caller, arguments| {
        Box::new(poll_oneoff(caller, arguments))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn poll_oneoff(
    mut caller: Caller<'_, Host>,
    (subscriptions, events, count, fired): (i32, i32, i32, i32),
) -> wasmtime::Result<i32> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(wasmtime::Error::msg("missing required memory export"));
    };
    let fuel = caller.as_context_mut().hostcall_fuel();
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    if count == 1
        && let Some(nap) = Nap::read(bytes, subscriptions)
        && nap.can_report(bytes, events, fired)
    {
        tokio::time::sleep(nap.duration).await;
        nap.report(bytes, events, fired);
        return Ok(ERRNO_SUCCESS);
    }
    host.wasi.set_hostcall_fuel(fuel);
    let mut guest = GuestMemory::Unshared(bytes);
    wasi_snapshot_preview1::poll_oneoff(&mut host.wasi, &mut guest, subscriptions, events, count, fired).await
}

const ERRNO_SUCCESS: i32 = 0;

/// A subscription to one relative timer.
#[derive(Debug, PartialEq, Eq)]
struct Nap {
    user_data: [u8; 8],
    duration: Duration,
}

// Layouts of `subscription` and `event` in WASI preview 1.
const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;
const TAG_AT: usize = 8;
const TAG_CLOCK: u8 = 0;
const TIMEOUT_AT: usize = 24;
const FLAGS_AT: usize = 40;
const FLAG_ABSOLUTE: u8 = 1;

impl Nap {
    /// Reads the subscription at `address`; none if it waits for something else or lies outside the memory.
    fn read(memory: &[u8], address: i32) -> Option<Self> {
        let subscription = memory.get(range(address, SUBSCRIPTION_BYTES)?)?;
        if subscription[TAG_AT] != TAG_CLOCK || subscription[FLAGS_AT] & FLAG_ABSOLUTE != 0 {
            return None;
        }
        let field = |at: usize| subscription[at..at + 8].try_into().ok();
        Some(Self {
            user_data: field(0)?,
            duration: Duration::from_nanos(u64::from_le_bytes(field(TIMEOUT_AT)?)),
        })
    }

    fn can_report(&self, memory: &[u8], events: i32, fired: i32) -> bool {
        let inside =
            |address, length| range(address, length).is_some_and(|range| memory.get(range).is_some());
        inside(events, EVENT_BYTES) && inside(fired, size_of::<u32>())
    }

    /// Writes the one event (a timer's tag and success are zero) and how many there are.
    fn report(&self, memory: &mut [u8], events: i32, fired: i32) {
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(&self.user_data);
        for (address, bytes) in [(events, &event[..]), (fired, &1u32.to_le_bytes()[..])] {
            if let Some(target) = range(address, bytes.len()).and_then(|range| memory.get_mut(range)) {
                target.copy_from_slice(bytes);
            }
        }
    }
}

fn range(address: i32, length: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(address.cast_unsigned()).ok()?;
    Some(start..start.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(tag: u8, flags: u8) -> Vec<u8> {
        let mut memory = vec![0; 128];
        memory[16..24].copy_from_slice(&7u64.to_le_bytes());
        memory[16 + TAG_AT] = tag;
        memory[16 + TIMEOUT_AT..][..8].copy_from_slice(&1500u64.to_le_bytes());
        memory[16 + FLAGS_AT] = flags;
        memory
    }

    #[test]
    fn only_a_relative_timer_is_a_nap() {
        let nap = Nap { user_data: 7u64.to_le_bytes(), duration: Duration::from_nanos(1500) };
        assert_eq!(Nap::read(&memory(0, 0), 16), Some(nap));
        assert_eq!(Nap::read(&memory(0, 1), 16), None, "absolute");
        assert_eq!(Nap::read(&memory(1, 0), 16), None, "a file");
        assert_eq!(Nap::read(&memory(0, 0), 100), None, "cut off by the end of the memory");
        assert_eq!(Nap::read(&memory(0, 0), -1), None, "outside");
    }

    #[test]
    fn the_event_carries_the_subscribers_mark() {
        let mut memory = memory(0, 0);
        let nap = Nap::read(&memory, 16).unwrap();
        assert!(nap.can_report(&memory, 64, 124));
        assert!(!nap.can_report(&memory, 100, 124));
        assert!(!nap.can_report(&memory, 64, 125));
        nap.report(&mut memory, 64, 124);
        assert_eq!(memory[64..72], 7u64.to_le_bytes());
        assert_eq!(memory[72..96], [0; 24]);
        assert_eq!(memory[124..128], 1u32.to_le_bytes());
    }
}
