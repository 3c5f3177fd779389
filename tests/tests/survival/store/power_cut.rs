use bacalhau_control_plane::store::heed::{Durability, Options};
use bacalhau_control_plane::store::{HeedStore, Revision, Store};
use tempfile::TempDir;

use super::workload;
use crate::chance::Chance;
use crate::disk::{Event, History, Recording, Wreck};
use crate::{acknowledged, block_on, examine, given_directory};

/// Enough to move the log to the database several times.
const TXNS: Revision = 2000;
const CUTS: usize = 100;

#[test]
fn nothing_acknowledged_is_lost() {
    let mut chance = Chance::printed("nothing_acknowledged_is_lost");
    let history = record(Durability::Disk, &mut chance);
    let moved = |event: &Event| matches!(event, Event::Sync { file } if file.ends_with("data.mdb"));
    assert!(history.events.iter().any(moved), "the log was never moved to the database");
    for wreck in history.cuts(CUTS, &mut chance) {
        let outcome = check(&wreck);
        assert!(outcome.is_ok(), "cut at event {}: {outcome:?}", wreck.cut);
    }
}

/// Proves that the test above can fail.
#[test]
fn without_syncing_losses_are_found() {
    let mut chance = Chance::printed("without_syncing_losses_are_found");
    let history = record(Durability::PageCache, &mut chance);
    let lossy = history.cuts(CUTS, &mut chance).find(|wreck| check(wreck).is_err());
    assert!(lossy.is_some(), "{CUTS} power cuts without a single sync, and no loss was noticed");
}

/// Runs transactions in bursts, so that groups of every size are committed.
fn record(durability: Durability, chance: &mut Chance) -> History {
    let directory = TempDir::new().unwrap();
    let options = Options { durability, ..Options::default() };
    let store = HeedStore::open(directory.path(), options).unwrap();
    let recording = Recording::start(directory.path());
    let mut next = 1;
    while next <= TXNS {
        let burst = next..=TXNS.min(next + chance.below(20));
        next = burst.end() + 1;
        let pending: Vec<_> = burst.map(|n| store.txn(workload::txn(n))).collect();
        for acknowledged in pending {
            recording.acknowledged(block_on(acknowledged).unwrap());
        }
    }
    drop(store);
    recording.finish()
}

fn check(wreck: &Wreck) -> Result<(), String> {
    examine("store::power_cut::check_wreck", wreck, "")
}

#[test]
#[ignore = "a child process of the tests above"]
fn check_wreck() {
    let store = HeedStore::open(&given_directory(), Options::default()).unwrap();
    block_on(workload::verify(&store, acknowledged())).unwrap();
}
