//! Threads that guests run on.
//!
//! A guest holds its thread as long as it lives, so there are as many threads as guests. One whose guest has ended waits a
//! moment for the next: making a thread costs more than a small guest.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a thread waits for its next guest. Shorter than the pool for files, whose end gives the program's pages back.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Guests run on stacks of their own; this one carries loading and the compiler.
const STACK_BYTES: usize = 2 << 20;

type Life = Box<dyn FnOnce() + Send>;

/// Runs lives of guests, each on a thread that nothing else uses meanwhile.
pub(super) struct Threads(Arc<Shared>);

struct Shared {
    keep_alive: Duration,
    state: Mutex<State>,
    arrived: Condvar,
}

/// There are never more lives waiting than threads that wait for one.
#[derive(Default)]
struct State {
    waiting: VecDeque<Life>,
    idle: usize,
}

impl Default for Threads {
    fn default() -> Self {
        Self::keeping(KEEP_ALIVE)
    }
}

impl Threads {
    fn keeping(keep_alive: Duration) -> Self {
        Self(Arc::new(Shared { keep_alive, state: Mutex::default(), arrived: Condvar::new() }))
    }

    /// Runs `life` now. A life that panics takes only its thread with it. Fails when the system gives no thread.
    pub(super) fn run(&self, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.0.state();
        if state.waiting.len() < state.idle {
            state.waiting.push_back(Box::new(life));
            self.0.arrived.notify_one();
            return Ok(());
        }
        drop(state);
        let shared = Arc::clone(&self.0);
        let thread = thread::Builder::new().name("wasm-guest".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || shared.live(life))?;
        Ok(())
    }
}

impl Shared {
    fn live(&self, first: impl FnOnce()) {
        first();
        while let Some(next) = self.next() {
            next();
        }
    }

    /// The next life; `None` when none came for a while.
    fn next(&self) -> Option<Life> {
        let mut state = self.state();
        state.idle += 1;
        let (mut state, _) = self
            .arrived
            .wait_timeout_while(state, self.keep_alive, |state| state.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.waiting.pop_front()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::ThreadId;

    use super::*;

    /// Threads that wait for as long as it takes.
    fn kept() -> Threads {
        Threads::keeping(Duration::MAX)
    }

    fn run(threads: &Threads) -> ThreadId {
        let (tell, told) = mpsc::channel();
        threads.run(move || tell.send(thread::current().id()).unwrap()).unwrap();
        told.recv().unwrap()
    }

    /// Until so many threads wait for a guest.
    fn wait_for_idle(threads: &Threads, count: usize) {
        while threads.0.state().idle != count {
            thread::yield_now();
        }
    }

    #[test]
    fn one_thread_serves_guests_that_follow_each_other() {
        let threads = kept();
        let first = run(&threads);
        wait_for_idle(&threads, 1);
        assert_eq!(run(&threads), first);
    }

    #[test]
    fn a_thread_that_nobody_needs_ends() {
        let threads = Threads::keeping(Duration::ZERO);
        run(&threads);
        // Each thread holds one.
        while Arc::strong_count(&threads.0) > 1 {
            thread::yield_now();
        }
        assert_eq!(threads.0.state().idle, 0);
    }

    #[test]
    fn guests_that_live_at_once_do_not_wait_for_each_other() {
        let threads = kept();
        let (tell, told) = mpsc::channel::<()>();
        // None gets past it before all have begun.
        let barrier = Arc::new(std::sync::Barrier::new(5));
        for _ in 0..4 {
            let (barrier, tell) = (Arc::clone(&barrier), tell.clone());
            threads
                .run(move || {
                    barrier.wait();
                    drop(tell);
                })
                .unwrap();
        }
        barrier.wait();
        drop(tell);
        assert!(told.recv().is_err(), "all have ended");
    }

    #[test]
    fn a_guest_that_panics_leaves_the_others_their_threads() {
        let threads = kept();
        let (tell, told) = mpsc::channel::<()>();
        threads
            .run(move || {
                let _tell = tell;
                panic!("as a guest's thread might");
            })
            .unwrap();
        assert!(told.recv().is_err(), "it is gone");
        let after = run(&threads);
        wait_for_idle(&threads, 1);
        assert_eq!(run(&threads), after);
    }
}
