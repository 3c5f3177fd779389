//! Whose turn it is when capacity becomes free. Looking at every waiting job for every execution that ends would cost
//! the square of the queue; a few at a time, in turns, keeps every node busy and starves nobody.

use bacalhau_protocol::ids::JobId;

/// Waiting jobs looked at for each execution that ends.
const TURNS: usize = 4;

/// Where the last turn ended.
#[derive(Default)]
pub(super) struct Rotation {
    last: Option<JobId>,
}

impl Rotation {
    /// The next few of `waiting`, which is ordered by id.
    pub(super) fn turn<'a>(&mut self, waiting: &'a std::collections::BTreeSet<JobId>) -> Vec<&'a JobId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.last.as_ref().map_or(Unbounded, Excluded);
        let jobs: Vec<_> =
            waiting.range((after, Unbounded)).chain(waiting).take(TURNS.min(waiting.len())).collect();
        self.last = jobs.last().map(|job| JobId::clone(job));
        jobs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everyone_gets_a_turn() {
        let waiting: BTreeSet<JobId> = (0..10).map(|n| JobId::parse(&format!("j{n}")).unwrap()).collect();
        let mut rotation = Rotation::default();
        let seen: BTreeSet<_> = (0..3).flat_map(|_| rotation.turn(&waiting)).cloned().collect();
        assert_eq!(seen, waiting);
        assert!(rotation.turn(&BTreeSet::new()).is_empty());
    }
}
