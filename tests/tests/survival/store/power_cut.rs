use bacalhau_control_plane::store::heed::{Durability, Options};
use bacalhau_control_plane::store::{HeedStore, Revision, Store};
use bacalhau_tests::chance::Chance;
use tempfile::TempDir;

use super::workload;
use crate::disk::{History, Recording};
use crate::power_cut::PowerCuts;
use crate::{acknowledged, block_on, given_directory};

/// Enough to move the log to the database several times.
const TXNS: Revision = 2000;

const POWER_CUTS: PowerCuts =
    PowerCuts { name: "store", count: 100, record, examiner: "store::power_cut::check_wreck", inside: "" };

#[test]
fn nothing_acknowledged_is_lost() {
    POWER_CUTS.lose_nothing();
}

#[test]
fn without_syncing_losses_are_found() {
    POWER_CUTS.lose_without_syncing();
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

#[test]
#[ignore = "a child process of the tests above"]
fn check_wreck() {
    let store = HeedStore::open(&given_directory(), Options::default()).unwrap();
    block_on(workload::verify(&store, acknowledged())).unwrap();
}
