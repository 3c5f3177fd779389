//! Which jobs to look at again, and when. A mark carries no data: any number of marks before a look make one look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::time::Timestamp;
use tokio::sync::Notify;

/// Jobs to be evaluated.
#[derive(Default)]
pub(super) struct Broker {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    marked: BTreeSet<JobId>,
    /// At most one time for each job, in both orders.
    at: BTreeSet<(Timestamp, JobId)>,
    of: BTreeMap<JobId, Timestamp>,
}

impl Broker {
    /// Look at the job as soon as possible.
    pub(super) fn mark(&self, job: JobId) {
        self.queue().marked.insert(job);
        self.changed.notify_one();
    }

    /// Look at the job at `at`, or not at any time of its own. Replaces what was set before.
    pub(super) fn wake(&self, job: &JobId, at: Option<Timestamp>) {
        let mut queue = self.queue();
        if queue.of.get(job).copied() == at {
            return;
        }
        if let Some(before) = queue.of.remove(job) {
            queue.at.remove(&(before, job.clone()));
        }
        if let Some(at) = at {
            queue.of.insert(job.clone(), at);
            queue.at.insert((at, job.clone()));
            let is_first = queue.at.first().is_some_and(|(_, first)| first == job);
            drop(queue);
            if is_first {
                self.changed.notify_one();
            }
        }
    }

    /// A job that is due, if there is one, else how long until the next one is.
    pub(super) fn next(&self, now: Timestamp) -> Result<JobId, Option<Duration>> {
        let mut queue = self.queue();
        while let Some((at, job)) = queue.at.first().cloned() {
            if at > now {
                break;
            }
            queue.at.pop_first();
            queue.of.remove(&job);
            queue.marked.insert(job);
        }
        queue.marked.pop_first().ok_or_else(|| queue.at.first().map(|(at, _)| at.since(now)))
    }

    /// Waits for a mark or a change of the next time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobId {
        JobId::parse(name).unwrap()
    }

    #[test]
    fn many_marks_make_one_look() {
        let broker = Broker::default();
        broker.mark(job("a"));
        broker.mark(job("a"));
        assert_eq!(broker.next(Timestamp(0)), Ok(job("a")));
        assert_eq!(broker.next(Timestamp(0)), Err(None));
    }

    #[test]
    fn a_time_is_replaced_and_comes_once() {
        let broker = Broker::default();
        broker.wake(&job("a"), Some(Timestamp(50)));
        broker.wake(&job("a"), Some(Timestamp(20)));
        assert_eq!(broker.next(Timestamp(10)), Err(Some(Duration::from_nanos(10))));
        assert_eq!(broker.next(Timestamp(20)), Ok(job("a")));
        assert_eq!(broker.next(Timestamp(60)), Err(None));
        broker.wake(&job("a"), Some(Timestamp(70)));
        broker.wake(&job("a"), None);
        assert_eq!(broker.next(Timestamp(80)), Err(None));
    }
}
