//! Cuts the power at random points of recorded writes and has examined what is left.

use bacalhau_control_plane::store::heed::Durability;
use bacalhau_tests::chance::Chance;

use crate::disk::{Event, History, Wreck};
use crate::examine;

/// Something that keeps what it acknowledged, and how it is tried.
pub(crate) struct PowerCuts {
    /// Under which the seed is printed.
    pub(crate) name: &'static str,
    /// How often the power goes.
    pub(crate) count: usize,
    /// Lets it work and records its writes.
    pub(crate) record: fn(Durability, &mut Chance) -> History,
    /// The test that examines a wreck as a process of its own.
    pub(crate) examiner: &'static str,
    /// Where the recorded files lie, below the directory that the examiner is given.
    pub(crate) inside: &'static str,
}

impl PowerCuts {
    /// Refuses any loss of something acknowledged.
    pub(crate) fn lose_nothing(&self) {
        let mut chance = Chance::printed(self.name);
        let history = (self.record)(Durability::Disk, &mut chance);
        let moved = |event: &Event| matches!(event, Event::Sync { file } if file.ends_with("data.mdb"));
        assert!(history.events.iter().any(moved), "the log was never moved to the database");
        for wreck in history.cuts(self.count, &mut chance) {
            let outcome = self.examine(&wreck);
            assert!(outcome.is_ok(), "cut at event {}: {outcome:?}", wreck.cut);
        }
    }

    /// Proves that [`Self::lose_nothing`] can fail: without syncing there are losses, and they are found.
    pub(crate) fn lose_without_syncing(&self) {
        let mut chance = Chance::printed(self.name);
        let history = (self.record)(Durability::PageCache, &mut chance);
        let lossy = history.cuts(self.count, &mut chance).find(|wreck| self.examine(wreck).is_err());
        assert!(lossy.is_some(), "{} power cuts without a single sync, and no loss was noticed", self.count);
    }

    fn examine(&self, wreck: &Wreck) -> Result<(), String> {
        examine(self.examiner, wreck, self.inside)
    }
}
