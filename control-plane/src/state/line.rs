//! Whose turn it is: jobs with a higher priority first, then older ones.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::time::Timestamp;

/// What decides between two jobs that want the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence {
    /// Higher goes first.
    pub priority: Reverse<i32>,
    /// When the job was submitted; older goes first.
    pub created: Timestamp,
}

impl Precedence {
    /// Of a job.
    pub fn new(priority: i32, created: Timestamp) -> Self {
        Self { priority: Reverse(priority), created }
    }

    /// Whether it goes before another one because of its priority, whatever their age.
    pub fn outranks(&self, other: &Self) -> bool {
        self.priority < other.priority
    }
}

/// Jobs in the order of their precedence, each once.
#[derive(Clone, Debug, Default)]
pub struct Line {
    order: BTreeSet<(Precedence, JobId)>,
    of: HashMap<JobId, Precedence>,
}

impl Line {
    /// Puts a job at its place, and away from the one it had.
    pub fn insert(&mut self, job: JobId, precedence: Precedence) {
        if self.of.get(&job) == Some(&precedence) {
            return;
        }
        self.remove(&job);
        self.of.insert(job.clone(), precedence);
        self.order.insert((precedence, job));
    }

    /// Takes a job out.
    pub fn remove(&mut self, job: &JobId) {
        if let Some(precedence) = self.of.remove(job) {
            self.order.remove(&(precedence, job.clone()));
        }
    }

    /// The first job.
    pub fn first(&self) -> Option<&(Precedence, JobId)> {
        self.order.first()
    }

    /// Takes the first job out.
    pub fn pop_first(&mut self) -> Option<JobId> {
        let (_, job) = self.order.pop_first()?;
        self.of.remove(&job);
        Some(job)
    }

    /// The jobs behind a place, or all.
    pub fn after(&self, place: Option<&(Precedence, JobId)>) -> impl Iterator<Item = &(Precedence, JobId)> {
        self.order.range((place.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
    }

    /// All jobs, first to last.
    pub fn iter(&self) -> impl Iterator<Item = &JobId> {
        self.order.iter().map(|(_, job)| job)
    }

    /// How many jobs.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobId {
        JobId::parse(name).unwrap()
    }

    #[test]
    fn priority_goes_before_age_and_each_job_stands_once() {
        let mut line = Line::default();
        line.insert(job("old"), Precedence::new(0, Timestamp(1)));
        line.insert(job("new"), Precedence::new(0, Timestamp(2)));
        line.insert(job("urgent"), Precedence::new(5, Timestamp(3)));
        line.insert(job("new"), Precedence::new(-1, Timestamp(2)));
        assert_eq!(line.iter().map(JobId::as_str).collect::<Vec<_>>(), ["urgent", "old", "new"]);
        let after: Vec<_> = line.after(line.first()).map(|(_, job)| job.as_str()).collect();
        assert_eq!(after, ["old", "new"]);
        assert_eq!((line.pop_first(), line.len()), (Some(job("urgent")), 2));
    }
}
