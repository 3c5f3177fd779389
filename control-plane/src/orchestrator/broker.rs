//! Which jobs to look at again, and when. A mark carries no data: any number of marks before a look make one look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::time::Timestamp;
use tokio::sync::Notify;

use crate::state::{Line, Precedence};

/// Jobs to be evaluated.
#[derive(Default)]
pub(super) struct Broker {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    marked: Line,
    /// At most one time for each job, in both orders.
    at: BTreeSet<(Timestamp, JobId)>,
    of: BTreeMap<JobId, (Timestamp, Precedence)>,
}

impl Broker {
    /// Look at the job as soon as its precedence allows.
    pub(super) fn mark(&self, job: JobId, precedence: Precedence) {
        self.queue().marked.insert(job, precedence);
        self.changed.notify_one();
    }

    /// Look at the job at `at`, or not at any time of its own. Replaces what was set before.
    pub(super) fn wake(&self, job: &JobId, precedence: Precedence, at: Option<Timestamp>) {
        let mut queue = self.queue();
        let wanted = at.map(|at| (at, precedence));
        if queue.of.get(job).copied() == wanted {
            return;
        }
        if let Some((before, _)) = queue.of.remove(job) {
            queue.at.remove(&(before, job.clone()));
        }
        if let Some(at) = at {
            queue.of.insert(job.clone(), (at, precedence));
            queue.at.insert((at, job.clone()));
            let is_first = queue.at.first().is_some_and(|(_, first)| first == job);
            drop(queue);
            if is_first {
                self.changed.notify_one();
            }
        }
    }

    /// The job that is due and goes before the others, if there is one, else how long until the next one is.
    pub(super) fn next(&self, now: Timestamp) -> Result<JobId, Option<Duration>> {
        let mut queue = self.queue();
        while let Some((at, job)) = queue.at.first().cloned() {
            if at > now {
                break;
            }
            queue.at.pop_first();
            if let Some((_, precedence)) = queue.of.remove(&job) {
                queue.marked.insert(job, precedence);
            }
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
    use std::cmp::Reverse;

    use super::*;

    fn job(name: &str) -> JobId {
        JobId::parse(name).unwrap()
    }

    const PLAIN: Precedence = Precedence { priority: Reverse(0), created: Timestamp(1) };

    #[test]
    fn many_marks_make_one_look() {
        let broker = Broker::default();
        broker.mark(job("a"), PLAIN);
        broker.mark(job("a"), PLAIN);
        assert_eq!(broker.next(Timestamp(0)), Ok(job("a")));
        assert_eq!(broker.next(Timestamp(0)), Err(None));
    }

    #[test]
    fn a_time_is_replaced_and_comes_once() {
        let broker = Broker::default();
        broker.wake(&job("a"), PLAIN, Some(Timestamp(50)));
        broker.wake(&job("a"), PLAIN, Some(Timestamp(20)));
        assert_eq!(broker.next(Timestamp(10)), Err(Some(Duration::from_nanos(10))));
        assert_eq!(broker.next(Timestamp(20)), Ok(job("a")));
        assert_eq!(broker.next(Timestamp(60)), Err(None));
        broker.wake(&job("a"), PLAIN, Some(Timestamp(70)));
        broker.wake(&job("a"), PLAIN, None);
        assert_eq!(broker.next(Timestamp(80)), Err(None));
    }

    #[test]
    fn what_is_due_comes_by_priority_and_then_by_age() {
        let broker = Broker::default();
        broker.mark(job("a"), PLAIN);
        broker.mark(job("older"), Precedence { created: Timestamp(0), ..PLAIN });
        broker.wake(&job("urgent"), Precedence { priority: Reverse(9), ..PLAIN }, Some(Timestamp(5)));
        let order: Vec<_> = std::iter::from_fn(|| broker.next(Timestamp(5)).ok()).collect();
        assert_eq!(order, [job("urgent"), job("older"), job("a")]);
    }
}
