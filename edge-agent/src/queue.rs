//! What waits for the node's capacity, and who holds it. Pure.
//!
//! Higher priority first, then arrival. Whatever fits now starts, so small tasks may overtake a big one, but only so
//! often: then everybody behind it waits until it has its turn.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{NodeUsage, Resources};

/// How often a task that does not fit now may be overtaken.
pub const MAX_OVERTAKEN: u32 = 16;

/// The local queue and the book of capacity.
#[derive(Debug)]
pub struct LocalQueue {
    capacity: Resources,
    used: Resources,
    granted: BTreeMap<ExecutionId, Resources>,
    waiting: BTreeMap<Place, Waiting>,
    arrivals: u64,
}

/// Order in the queue.
type Place = (Reverse<i32>, u64);

#[derive(Debug)]
struct Waiting {
    id: ExecutionId,
    asks: Resources,
    overtaken: u32,
}

impl LocalQueue {
    /// An empty queue of a node that offers `capacity`.
    pub fn new(capacity: Resources) -> Self {
        Self {
            capacity,
            used: Resources::default(),
            granted: BTreeMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
        }
    }

    /// Adds an execution; gives back those that may start now. Each execution is in the queue at most once.
    pub fn enter(&mut self, id: ExecutionId, priority: i32, asks: Resources) -> Vec<ExecutionId> {
        self.arrivals += 1;
        let place = (Reverse(priority), self.arrivals);
        self.waiting.insert(place, Waiting { id, asks, overtaken: 0 });
        self.scan()
    }

    /// Gives an execution what it asks for, there or not: it may be using it already.
    pub fn occupy(&mut self, id: ExecutionId, asks: Resources) {
        self.used = self.used.plus(&asks);
        self.granted.insert(id, asks);
    }

    /// Removes an execution, waiting or not; gives back those that may start now.
    pub fn leave(&mut self, id: &ExecutionId) -> Vec<ExecutionId> {
        match self.granted.remove(id) {
            Some(held) => self.used = self.used.minus(&held),
            None => self.waiting.retain(|_, waiting| waiting.id != *id),
        }
        self.scan()
    }

    /// The node offers another amount from now on; nothing that runs is stopped.
    pub fn resize(&mut self, capacity: Resources) -> Vec<ExecutionId> {
        self.capacity = capacity;
        self.scan()
    }

    /// What is given out, as the control plane hears it.
    pub fn usage(&self) -> NodeUsage {
        let queued = self.waiting.values().fold(Resources::default(), |sum, waiting| sum.plus(&waiting.asks));
        NodeUsage {
            available: self.capacity.minus(&self.used),
            queued,
            running: u32::try_from(self.granted.len()).unwrap_or(u32::MAX),
            enqueued: u32::try_from(self.waiting.len()).unwrap_or(u32::MAX),
        }
    }

    fn scan(&mut self) -> Vec<ExecutionId> {
        let mut starting = Vec::new();
        let mut overtaken = Vec::new();
        for (place, waiting) in &self.waiting {
            if waiting.asks.fits(&self.capacity.minus(&self.used)) {
                self.used = self.used.plus(&waiting.asks);
                starting.push((*place, overtaken.len()));
            } else if waiting.asks.fits(&self.capacity) {
                // What does not fit at all, because the capacity shrank, holds nobody up.
                if waiting.overtaken >= MAX_OVERTAKEN {
                    break;
                }
                overtaken.push(*place);
            }
        }
        let last_start = starting.last().map_or(0, |(_, ahead)| *ahead);
        for place in &overtaken[..last_start] {
            if let Some(waiting) = self.waiting.get_mut(place) {
                waiting.overtaken += 1;
            }
        }
        starting.into_iter().filter_map(|(place, _)| self.grant(place)).collect()
    }

    fn grant(&mut self, place: Place) -> Option<ExecutionId> {
        let Waiting { id, asks, .. } = self.waiting.remove(&place)?;
        self.granted.insert(id.clone(), asks);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(cpu_millis: u64) -> Resources {
        Resources { cpu_millis, ..Resources::default() }
    }

    fn id(name: &str) -> ExecutionId {
        ExecutionId::parse(name).unwrap()
    }

    fn names(ids: &[ExecutionId]) -> Vec<&str> {
        ids.iter().map(ExecutionId::as_str).collect()
    }

    #[test]
    fn what_may_run_already_is_counted_even_if_there_is_no_room() {
        let mut queue = LocalQueue::new(cpu(1000));
        queue.occupy(id("a"), cpu(700));
        queue.occupy(id("b"), cpu(700));
        assert!(queue.enter(id("c"), 0, cpu(400)).is_empty());
        assert_eq!(queue.usage().running, 2);
        assert!(queue.leave(&id("a")).is_empty());
        assert_eq!(names(&queue.leave(&id("b"))), ["c"]);
    }

    #[test]
    fn what_fits_starts_and_the_rest_waits_by_priority_then_arrival() {
        let mut queue = LocalQueue::new(cpu(1000));
        assert_eq!(names(&queue.enter(id("a"), 0, cpu(1000))), ["a"]);
        for (name, priority) in [("b", 0), ("c", 5), ("d", 5)] {
            assert!(queue.enter(id(name), priority, cpu(600)).is_empty());
        }
        assert_eq!(queue.usage().enqueued, 3);
        assert_eq!(queue.usage().queued, cpu(1800));
        assert_eq!(names(&queue.leave(&id("a"))), ["c"]);
        assert_eq!(names(&queue.leave(&id("c"))), ["d"]);
        assert_eq!(names(&queue.leave(&id("d"))), ["b"]);
        assert_eq!(queue.usage().available, cpu(400));
    }

    #[test]
    fn what_leaves_while_waiting_never_starts() {
        let mut queue = LocalQueue::new(cpu(1000));
        queue.enter(id("a"), 0, cpu(1000));
        queue.enter(id("b"), 0, cpu(1000));
        assert!(queue.leave(&id("b")).is_empty());
        assert!(queue.leave(&id("a")).is_empty());
        assert_eq!(queue.usage(), NodeUsage { available: cpu(1000), ..NodeUsage::default() });
    }

    #[test]
    fn a_big_task_is_overtaken_only_so_often() {
        let mut queue = LocalQueue::new(cpu(1000));
        queue.enter(id("first"), 0, cpu(500));
        assert!(queue.enter(id("big"), 0, cpu(1000)).is_empty());
        for _ in 0..MAX_OVERTAKEN {
            assert_eq!(names(&queue.enter(id("small"), 0, cpu(500))), ["small"]);
            queue.leave(&id("small"));
        }
        assert!(queue.enter(id("late"), 0, cpu(500)).is_empty());
        assert_eq!(names(&queue.leave(&id("first"))), ["big"]);
        assert_eq!(names(&queue.leave(&id("big"))), ["late"]);
    }

    #[test]
    fn a_task_that_can_never_fit_any_more_holds_nobody_up() {
        let mut queue = LocalQueue::new(cpu(1000));
        queue.enter(id("a"), 0, cpu(1000));
        queue.enter(id("big"), 0, cpu(900));
        assert!(queue.resize(cpu(500)).is_empty());
        queue.leave(&id("a"));
        for round in 0..2 * MAX_OVERTAKEN {
            assert_eq!(names(&queue.enter(id("small"), 0, cpu(500))), ["small"], "round {round}");
            queue.leave(&id("small"));
        }
        assert_eq!(names(&queue.resize(cpu(1000))), ["big"]);
    }
}
