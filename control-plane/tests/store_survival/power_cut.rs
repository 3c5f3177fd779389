use std::fs;
use std::path::Path;

use bacalhau_control_plane::store::heed::{Durability, Options};
use bacalhau_control_plane::store::{HeedStore, Revision, Store};
use tempfile::TempDir;

use crate::disk::{Event, History, Recording};
use crate::workload::{self, Chance, block_on};
use crate::{child, given_directory};

const TXNS: Revision = 300;
const CUTS: usize = 150;
const ACKNOWLEDGED: &str = "STORE_SURVIVAL_ACKNOWLEDGED";

#[test]
fn nothing_acknowledged_is_lost() {
    let mut chance = Chance::printed("nothing_acknowledged_is_lost");
    let history = record(Durability::Disk, &mut chance);
    let syncs = history.events.iter().filter(|event| matches!(event, Event::Sync)).count();
    assert!(syncs > 0, "the store never synced, so cutting it proves nothing");
    for _ in 0..CUTS {
        let cut = chance.index(history.events.len() + 1);
        let (image, acknowledged) = history.cut(cut, &mut chance);
        let outcome = check(&image, acknowledged);
        assert!(outcome.is_ok(), "cut at event {cut}: {outcome:?}");
    }
}

/// Proves that the test above can fail.
#[test]
fn without_syncing_losses_are_found() {
    let mut chance = Chance::printed("without_syncing_losses_are_found");
    let history = record(Durability::PageCache, &mut chance);
    let lossy = (0..CUTS).find(|_| {
        let cut = chance.index(history.events.len() + 1);
        let (image, acknowledged) = history.cut(cut, &mut chance);
        check(&image, acknowledged).is_err()
    });
    assert!(lossy.is_some(), "{CUTS} power cuts without a single sync, and no loss was noticed");
}

/// Runs transactions in bursts, so that groups of every size are committed.
fn record(durability: Durability, chance: &mut Chance) -> History {
    let directory = TempDir::new().unwrap();
    let options = Options { durability, ..Options::default() };
    let store = HeedStore::open(directory.path(), options).unwrap();
    let recording = Recording::start(&directory.path().join("data.mdb"));
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

/// Opens the image in a process of its own: LMDB may crash on a file that is not what it wrote.
fn check(image: &[u8], acknowledged: Revision) -> Result<(), String> {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("data.mdb"), image).unwrap();
    let mut check = child("power_cut::check_image", directory.path());
    let outcome = check.env(ACKNOWLEDGED, acknowledged.to_string()).output().unwrap();
    if outcome.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", outcome.status, String::from_utf8_lossy(&outcome.stderr)))
}

#[test]
#[ignore = "a child process of the tests above"]
fn check_image() {
    let acknowledged = std::env::var(ACKNOWLEDGED).unwrap().parse().unwrap();
    verify(&given_directory(), acknowledged);
}

fn verify(directory: &Path, acknowledged: Revision) {
    let store = HeedStore::open(directory, Options::default()).unwrap();
    block_on(workload::verify(&store, acknowledged)).unwrap();
}
