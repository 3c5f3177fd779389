use std::io::{BufRead, BufReader, Write, stdout};
use std::process::Stdio;

use bacalhau_control_plane::store::heed::Options;
use bacalhau_control_plane::store::{HeedStore, Revision, Store};
use bacalhau_tests::chance::Chance;
use bytes::Bytes;
use tempfile::TempDir;

use super::workload;
use crate::{block_on, child, given_directory};

const ROUNDS: usize = 12;
/// A round is killed after at most this many acknowledgements, while further transactions are under way.
const ACKNOWLEDGEMENTS: u64 = 2000;

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let mut chance = Chance::printed("a_killed_process_loses_nothing_acknowledged");
    let directory = TempDir::new().unwrap();
    for round in 0..ROUNDS {
        let last = write_until_killed(&directory, chance.below(ACKNOWLEDGEMENTS));
        let store = HeedStore::open(directory.path(), Options::default()).unwrap();
        let outcome = block_on(workload::verify(&store, last));
        assert_eq!(outcome, Ok(()), "round {round}");
    }
}

/// The last revision acknowledged by a process that is killed once it has acknowledged `enough`.
fn write_until_killed(directory: &TempDir, enough: u64) -> Revision {
    let mut writer = child("store::kill::write_until_killed_child", directory.path());
    let mut writer = writer.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let (mut last, mut seen) = (0, 0);
    for line in lines {
        let line = line.unwrap();
        if let Some(revision) = line.strip_prefix("acknowledged ") {
            // The kill may cut the last line short, and that can only make its number smaller.
            last = revision.parse().unwrap_or(last).max(last);
            seen += 1;
        }
        if seen == enough {
            writer.kill().unwrap();
        }
    }
    let status = writer.wait().unwrap();
    assert!(!status.success() && status.code().is_none(), "ended by itself: {status}");
    last
}

#[test]
#[ignore = "a child process of the test above"]
fn write_until_killed_child() {
    let store = HeedStore::open(&given_directory(), Options::default()).unwrap();
    let start = block_on(store.range(Bytes::new(), Bytes::new(), 0, false)).unwrap().revision;
    let mut chance = Chance::new(start);
    let mut next = start + 1;
    loop {
        let burst = next..=next + chance.below(20);
        next = burst.end() + 1;
        let pending: Vec<_> = burst.map(|n| store.txn(workload::txn(n))).collect();
        for acknowledged in pending {
            let revision = block_on(acknowledged).unwrap();
            writeln!(stdout(), "\nacknowledged {revision}").unwrap();
        }
    }
}
