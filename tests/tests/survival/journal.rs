//! The agent's journal.

use std::fs;
use std::path::Path;

use bacalhau_agent::execution::{Phase, Record};
use bacalhau_agent::journal::{Change, Durability, Facts, Journal, Recovered};
use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::DesiredState;
use bacalhau_protocol::wire::{Decoder, ToNode, Work};
use bacalhau_tests::chance::Chance;
use tempfile::TempDir;

use crate::disk::{History, Recording};
use crate::power_cut::PowerCuts;
use crate::{acknowledged, block_on, given_directory};

/// Enough to fill the log and move it to the database several times.
const COMMITS: u64 = 1500;
const EXECUTIONS: u64 = 40;
/// Where the journal keeps what the power may spoil, in its directory.
const FILES: &str = "data";

const POWER_CUTS: PowerCuts =
    PowerCuts { name: "journal", count: 60, record, examiner: "journal::check_wreck", inside: FILES };

#[test]
fn nothing_acknowledged_is_lost() {
    POWER_CUTS.lose_nothing();
}

#[test]
fn without_syncing_losses_are_found() {
    POWER_CUTS.lose_without_syncing();
}

/// Writes in bursts, so that groups of every size are committed.
fn record(durability: Durability, chance: &mut Chance) -> History {
    let directory = TempDir::new().unwrap();
    let (journal, _) = Journal::open_with(directory.path(), durability).unwrap();
    let recording = Recording::start(&directory.path().join(FILES));
    let work = work();
    let mut next = 1;
    while next <= COMMITS {
        let burst = next..=COMMITS.min(next + chance.below(8));
        next = burst.end() + 1;
        let pending: Vec<_> = burst.map(|n| (n, journal.write(changes(n, &work)))).collect();
        for (n, written) in pending {
            block_on(written.durable()).unwrap();
            recording.acknowledged(n);
        }
    }
    journal.close();
    recording.finish()
}

#[test]
#[ignore = "a child process of the tests above"]
fn check_wreck() {
    verify(&given_directory(), acknowledged());
}

/// Refuses a journal that lost something acknowledged, holds part of a commit, or takes no further one.
fn verify(directory: &Path, acknowledged: u64) {
    let work = work();
    let (journal, recovered) = Journal::open(directory).unwrap();
    let kept = recovered.facts.sequence_reserved;
    assert!(kept >= acknowledged, "commit {acknowledged} was acknowledged, {kept} is what was kept");
    compare(&recovered, kept, &work);
    block_on(journal.write(changes(kept + 1, &work)).durable()).unwrap();
    journal.close();
    let (_journal, recovered) = Journal::open(directory).unwrap();
    compare(&recovered, kept + 1, &work);
}

/// Refuses contents that are not exactly those after commit `number`.
fn compare(recovered: &Recovered, number: u64, work: &Work) {
    assert!(recovered.damaged.is_empty() && recovered.set_aside.is_none(), "{recovered:?}");
    let mut right = std::collections::BTreeMap::new();
    for change in (1..=number).flat_map(|n| changes(n, work)) {
        match change {
            Change::Put(record) => drop(right.insert(record.execution_id.clone(), *record)),
            Change::Delete(id) => drop(right.remove(&id)),
            Change::Facts(_) => {}
        }
    }
    assert_eq!(recovered.facts.sequence_reserved, number);
    assert!(recovered.executions.iter().eq(right.values()), "not the executions after commit {number}");
}

/// What commit `n` changes follows from `n` alone: some executions, records from small to several pages, and the number.
fn changes(n: u64, work: &Work) -> Vec<Change> {
    let mut chance = Chance::new(n);
    let mut changes = vec![Change::Facts(Facts { sequence_reserved: n, ..Facts::default() })];
    let first = chance.below(EXECUTIONS);
    for offset in 0..chance.below(3) {
        let length = if chance.below(8) == 0 { chance.index(20_000) } else { chance.index(300) };
        let mut work = work.clone();
        work.task.engine.params = format!("{n}{}", "x".repeat(length));
        changes.push(Change::Put(Box::new(Record {
            execution_id: id(first + offset),
            generation: n,
            desired: DesiredState::Running,
            work,
            phase: Phase::Started,
        })));
    }
    if chance.below(3) == 0 {
        changes.push(Change::Delete(id(first + 3)));
    }
    changes
}

fn id(n: u64) -> ExecutionId {
    ExecutionId::parse(&format!("e-{:02}", n % EXECUTIONS)).unwrap()
}

/// The protocol's own sample.
fn work() -> Work {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/golden/to-node-wish.bin");
    let mut decoder = Decoder::default();
    decoder.push(&fs::read(sample).unwrap());
    match ToNode::from_frame(&decoder.next_frame().unwrap().unwrap()).unwrap() {
        Some(ToNode::Wish(wish)) => *wish.work.unwrap(),
        other => panic!("expected a wish, found {other:?}"),
    }
}
