use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use tokio::sync::oneshot;

use crate::store::{Revision, Txn, TxnError};

/// Most transactions that may wait for the disk; more are refused as [`TxnError::Overloaded`].
pub const MAX_WAITING_TXNS: usize = 16_384;
/// Most bytes of keys and values that may wait for the disk.
pub const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Most transactions of one group. Past this a larger group is hardly faster, and every member waits for all.
pub(super) const MAX_GROUP_TXNS: usize = 1024;
/// Most bytes of one group: with the bookkeeping it must fit a segment of the log.
pub(super) const MAX_GROUP_BYTES: usize = 2 * 1024 * 1024;

pub(super) struct Waiting {
    pub(super) txn: Txn,
    pub(super) reply: oneshot::Sender<Result<Revision, TxnError>>,
}

/// What callers have submitted and the writer has not taken, in order.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Takes what belongs together, or nothing of it. The first one must fit; a large change is not cut for the others.
    pub(super) fn push(&self, together: Vec<Waiting>) -> Result<(), TxnError> {
        let mut state = self.state();
        if state.closed {
            return Err(TxnError::Closed);
        }
        let first = together.first().map_or(0, |waiting| waiting.txn.bytes());
        if state.waiting.len() >= MAX_WAITING_TXNS || state.bytes + first > MAX_WAITING_BYTES {
            return Err(TxnError::Overloaded { waiting: state.waiting.len() });
        }
        state.bytes += together.iter().map(|waiting| waiting.txn.bytes()).sum::<usize>();
        state.waiting.extend(together);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes no more transactions; those that wait are still handed out.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_one();
    }

    /// Blocks until something waits and takes what fits one group; `None` once closed and empty.
    ///
    /// When many commit, whoever is ready to run goes first and may still join: on a busy machine a sync costs the
    /// processor as much as several transactions. A lone one must not give its turn to strangers.
    pub(super) fn take_group(&self, many_commit: bool) -> Option<Vec<Waiting>> {
        let mut state = self.wait()?;
        if many_commit {
            drop(state);
            thread::yield_now();
            state = self.wait()?;
        }
        Some(state.take_group())
    }

    fn wait(&self) -> Option<MutexGuard<'_, State>> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.arrived.wait(state).expect(UNPOISONED);
        }
        Some(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

impl State {
    fn take_group(&mut self) -> Vec<Waiting> {
        let mut group = Vec::new();
        let mut room = MAX_GROUP_BYTES;
        while group.len() < MAX_GROUP_TXNS
            && let Some(next) = self.waiting.front()
            && let Some(left) = room.checked_sub(next.txn.bytes())
            && let Some(next) = self.waiting.pop_front()
        {
            self.bytes -= room - left;
            room = left;
            group.push(next);
        }
        group
    }
}

const UNPOISONED: &str = "nothing panics while holding the queue";

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(value: usize) -> Vec<Waiting> {
        vec![Waiting { txn: Txn::new().put("k", vec![0; value]), reply: oneshot::channel().0 }]
    }

    #[test]
    fn a_group_is_bounded_in_count_and_bytes() {
        let queue = Queue::default();
        for _ in 0..MAX_GROUP_TXNS + 1 {
            queue.push(waiting(1)).unwrap();
        }
        assert_eq!(queue.take_group(false).unwrap().len(), MAX_GROUP_TXNS);
        assert_eq!(queue.take_group(false).unwrap().len(), 1);
        for _ in 0..9 {
            queue.push(waiting(MAX_GROUP_BYTES / 9)).unwrap();
        }
        assert_eq!(queue.take_group(false).unwrap().len(), 8, "the keys push the ninth over");
    }

    #[test]
    fn too_much_waiting_is_refused_and_room_comes_back() {
        let queue = Queue::default();
        for _ in 0..MAX_WAITING_TXNS {
            queue.push(waiting(0)).unwrap();
        }
        assert!(matches!(queue.push(waiting(0)), Err(TxnError::Overloaded { waiting: MAX_WAITING_TXNS })));
        queue.take_group(false).unwrap();
        queue.push(waiting(0)).unwrap();

        let queue = Queue::default();
        queue.push(waiting(MAX_WAITING_BYTES - 1)).unwrap();
        assert!(matches!(queue.push(waiting(0)), Err(TxnError::Overloaded { waiting: 1 })));
    }

    #[test]
    fn a_large_change_is_taken_whole_and_others_wait_for_it() {
        let queue = Queue::default();
        let large: Vec<_> = (0..40).flat_map(|_| waiting(1024 * 1024)).collect();
        queue.push(large).unwrap();
        assert!(matches!(queue.push(waiting(0)), Err(TxnError::Overloaded { waiting: 40 })));
        while queue.state().bytes > 0 {
            queue.take_group(false).unwrap();
        }
        queue.push(waiting(0)).unwrap();
    }

    #[test]
    fn a_closed_queue_hands_out_what_it_holds_then_ends() {
        let queue = Queue::default();
        queue.push(waiting(1)).unwrap();
        queue.close();
        assert!(matches!(queue.push(waiting(1)), Err(TxnError::Closed)));
        assert_eq!(queue.take_group(false).unwrap().len(), 1);
        assert!(queue.take_group(false).is_none());
    }
}
