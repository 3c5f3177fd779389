//! Whose turn it is when capacity becomes free. Looking at every waiting job for every execution that ends would cost
//! the square of the queue; a few at a time, in turns, keeps every node busy and starves nobody.

use bacalhau_protocol::ids::JobId;

use crate::state::{Line, Precedence};

/// Waiting jobs looked at from the front of the line for each execution that ends. In case the capacity suits none of
/// them, one more of the same priority and one more of all get a look, both in turns.
const FROM_THE_FRONT: usize = 2;

type Place = (Precedence, JobId);

/// Where the last turns ended.
#[derive(Default)]
pub(super) struct Rotation {
    of_the_first_priority: Option<Place>,
    of_all: Option<Place>,
}

impl Rotation {
    /// The next few that wait.
    pub(super) fn turn<'a>(&mut self, waiting: &'a Line) -> Vec<&'a JobId> {
        let mut turn: Vec<&Place> = waiting.after(None).take(FROM_THE_FRONT).collect();
        let Some(first) = turn.first().map(|place| place.0.priority) else { return Vec::new() };
        let is_first = |place: &&Place| place.0.priority == first;

        let behind = self.of_the_first_priority.take().filter(|place| is_first(&place));
        let equals = waiting
            .after(behind.as_ref())
            .take_while(is_first)
            .chain(waiting.after(None).take_while(is_first));
        turn_to(equals, &mut turn, &mut self.of_the_first_priority);

        let behind = self.of_all.take();
        let everyone = waiting.after(behind.as_ref()).chain(waiting.after(None));
        turn_to(everyone, &mut turn, &mut self.of_all);
        turn.into_iter().map(|(_, job)| job).collect()
    }
}

/// Adds the next one who has no turn yet.
fn turn_to<'a>(
    mut round: impl Iterator<Item = &'a Place>,
    turn: &mut Vec<&'a Place>,
    last: &mut Option<Place>,
) {
    if let Some(next) = round.find(|place| !turn.contains(place)) {
        turn.push(next);
        *last = Some(next.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bacalhau_protocol::time::Timestamp;

    use super::*;

    fn job(number: u32) -> JobId {
        JobId::parse(&format!("j{number:03}")).unwrap()
    }

    fn line(priorities: impl Iterator<Item = (u32, i32)>) -> Line {
        let mut line = Line::default();
        for (number, priority) in priorities {
            line.insert(job(number), Precedence::new(priority, Timestamp(number.into())));
        }
        line
    }

    #[test]
    fn the_first_of_the_line_come_first_and_everyone_gets_a_turn() {
        let waiting = line((0..10).map(|number| (number, if number < 6 { 0 } else { 5 })));
        let mut rotation = Rotation::default();
        let mut seen = BTreeSet::new();
        for _ in 0..10 {
            let turn = rotation.turn(&waiting);
            assert_eq!(turn[..2], [&job(6), &job(7)], "the oldest of the highest priority");
            assert!(turn[2] >= &job(6) && turn.len() == 4, "{turn:?}");
            seen.extend(turn.into_iter().cloned());
        }
        assert_eq!(seen.len(), 10);
        assert_eq!(rotation.turn(&line([(3, 0)].into_iter())), [&job(3)]);
        assert!(rotation.turn(&Line::default()).is_empty());
    }
}
