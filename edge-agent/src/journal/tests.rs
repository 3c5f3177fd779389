//! What every journal must do, and what only one on disk can.

use std::path::Path;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::JobType;

use super::environment::Environment;
use super::*;
use crate::execution::fixtures::{at, wish};
use crate::execution::{Event, Execution};

fn record(name: &str) -> Box<Record> {
    let mut wish = wish(JobType::Ops);
    wish.execution_id = ExecutionId::parse(name).unwrap();
    let (mut execution, _) = Execution::accept(wish).unwrap();
    execution.step(Event::Admitted, at(0));
    execution.step(Event::SlotGranted, at(0));
    Box::new(execution.record())
}

fn facts(sequence_reserved: u64) -> Facts {
    Facts { sequence_reserved, ..Facts::default() }
}

async fn durable(journal: &Journal, changes: Vec<Change>) {
    journal.write(changes).durable().await.unwrap();
}

async fn acknowledges_and_closes(journal: Journal) {
    durable(&journal, vec![Change::Put(record("a")), Change::Facts(facts(1))]).await;
    durable(&journal, Vec::new()).await;
    let written: Vec<_> = (0..100).map(|_| journal.write(vec![Change::Put(record("b"))])).collect();
    for written in written {
        written.durable().await.unwrap();
    }
    journal.write_some_time(vec![Change::Delete(ExecutionId::parse("a").unwrap())]);
    journal.close();
    journal.close();
    let refused = journal.write(vec![Change::Facts(facts(2))]).durable().await;
    assert!(matches!(refused, Err(WriteError::Closed)), "{refused:?}");
}

#[tokio::test]
async fn memory_passes_the_suite() {
    acknowledges_and_closes(Journal::in_memory()).await;
}

#[tokio::test]
async fn disk_passes_the_suite() {
    let directory = tempfile::tempdir().unwrap();
    acknowledges_and_closes(Journal::open(directory.path()).unwrap().0).await;
    let (_, recovered) = Journal::open(directory.path()).unwrap();
    assert_eq!(recovered.executions, [*record("b")]);
    assert_eq!(recovered.facts, facts(1));
}

#[tokio::test]
async fn one_agent_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path()).unwrap();
    assert!(matches!(Journal::open(directory.path()), Err(OpenError::InUse(_))));
    drop(journal);
    assert!(Journal::open(directory.path()).is_ok());
}

#[tokio::test]
async fn a_damaged_record_is_set_aside_and_the_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path()).unwrap();
    durable(&journal, vec![Change::Put(record("a")), Change::Put(record("b"))]).await;
    journal.close();
    // Moves what the log holds to the database.
    drop(Journal::open(directory.path()).unwrap());
    let mut environment = Environment::open(&directory.path().join("data"), Durability::Disk).unwrap();
    environment.overwrite("execution/a", b"worn out");
    environment.close();

    let (journal, recovered) = Journal::open(directory.path()).unwrap();
    assert_eq!(recovered.executions, [*record("b")]);
    assert_eq!(recovered.damaged, ["a: its checksum is wrong"]);
    journal.close();
    let (_, recovered) = Journal::open(directory.path()).unwrap();
    assert!(recovered.damaged.is_empty(), "told once");
}

/// A record that takes this many bytes more than others.
fn long_record(name: &str, bytes: usize) -> Box<Record> {
    let mut record = record(name);
    record.work.task.engine.params = "x".repeat(bytes);
    record
}

#[tokio::test]
async fn a_full_log_goes_to_the_database_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path()).unwrap();
    // Many times what the log holds, then one that is larger than all of it.
    for number in 0..200 {
        let name = format!("e-{}", number % 7);
        durable(&journal, vec![Change::Put(long_record(&name, 50_000)), Change::Facts(facts(number))]).await;
    }
    durable(&journal, vec![Change::Delete(ExecutionId::parse("e-3").unwrap())]).await;
    durable(&journal, vec![Change::Put(long_record("huge", 3 << 20))]).await;
    durable(&journal, vec![Change::Put(record("last"))]).await;
    drop(journal);
    for _ in 0..2 {
        let (_journal, recovered) = Journal::open(directory.path()).unwrap();
        let names: Vec<_> = recovered.executions.iter().map(|record| record.execution_id.as_str()).collect();
        assert_eq!(names, ["e-0", "e-1", "e-2", "e-4", "e-5", "e-6", "huge", "last"]);
        assert_eq!(recovered.facts, facts(199));
    }
}

#[tokio::test]
async fn a_database_older_than_its_log_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (journal, _) = Journal::open(directory.path()).unwrap();
    durable(&journal, vec![Change::Put(record("a"))]).await;
    drop(journal);
    let (journal, _) = Journal::open(directory.path()).unwrap();
    durable(&journal, vec![Change::Put(record("b"))]).await;
    drop(journal);
    std::fs::remove_file(data.join("data.mdb")).unwrap();
    let (_, recovered) = Journal::open(directory.path()).unwrap();
    assert_eq!(recovered.executions, [*record("b")]);
    assert_eq!(recovered.damaged, ["changes 1 to 1 are in no file of the journal"]);
}

/// What the lost records say has run must not be started again, so nobody goes on with what is left.
#[tokio::test]
async fn a_log_with_a_hole_is_set_aside_whole() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("data/log");
    let (journal, _) = Journal::open(directory.path()).unwrap();
    for name in ["a", "b", "c"] {
        durable(&journal, vec![Change::Put(record(name))]).await;
    }
    drop(journal);
    let mut bytes = std::fs::read(&log).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[used / 2] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let (_journal, recovered) = Journal::open(directory.path()).unwrap();
    assert!(recovered.executions.is_empty());
    assert_eq!(std::fs::read(recovered.set_aside.unwrap().join("log")).unwrap(), bytes);
}

#[tokio::test]
async fn a_journal_that_is_none_is_set_aside_whole() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("data.mdb"), vec![7; 16384]).unwrap();
    let (journal, recovered) = Journal::open(directory.path()).unwrap();
    let aside = recovered.set_aside.unwrap();
    assert_eq!(std::fs::read(aside.join("data.mdb")).unwrap(), vec![7; 16384]);
    durable(&journal, vec![Change::Put(record("a"))]).await;
}

fn start_and_crash(directory: &Path) -> Recovered {
    Journal::open(directory).unwrap().1
}

#[tokio::test]
async fn a_journal_the_agent_crashes_on_again_and_again_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(directory.path()).unwrap();
    durable(&journal, vec![Change::Put(record("a"))]).await;
    journal.close();
    for _ in 1..MAX_CRASHES {
        assert_eq!(start_and_crash(directory.path()).executions.len(), 1);
    }
    let recovered = start_and_crash(directory.path());
    assert!(recovered.executions.is_empty());
    assert!(recovered.set_aside.is_some());
}

#[tokio::test]
async fn a_start_that_got_far_enough_forgives_the_ones_before() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..3 * MAX_CRASHES {
        let (journal, recovered) = Journal::open(directory.path()).unwrap();
        assert!(recovered.set_aside.is_none());
        journal.survived();
    }
}

#[tokio::test]
async fn starts_that_cannot_be_counted_are_starts() {
    let directory = tempfile::tempdir().unwrap();
    // Cannot be written, as on a full disk.
    std::fs::create_dir(directory.path().join("starts")).unwrap();
    for _ in 0..2 * MAX_CRASHES {
        let (_, recovered) = Journal::open(directory.path()).unwrap();
        assert!(recovered.set_aside.is_none());
    }
}

/// No node lets it come to this.
#[tokio::test]
async fn a_full_journal_is_opened_with_all_that_was_written_and_emptied_again() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Journal::open_with(directory.path(), Durability::PageCache).unwrap();
    let (journal, _) = open();
    let mut names: Vec<String> = Vec::new();
    loop {
        let name = format!("e-{:04}", names.len());
        if journal.write(vec![Change::Put(long_record(&name, 60_000))]).durable().await.is_err() {
            break;
        }
        names.push(name);
    }
    drop(journal);
    let (journal, recovered) = open();
    let kept: Vec<_> = recovered.executions.iter().map(|record| record.execution_id.to_string()).collect();
    assert_eq!(kept, names);
    for name in &names {
        journal.write_some_time(vec![Change::Delete(ExecutionId::parse(name).unwrap())]);
    }
    // What waits is written with it, if not before.
    _ = journal.write(vec![Change::Facts(facts(1))]).durable().await;
    durable(&journal, vec![Change::Put(record("last"))]).await;
    drop(journal);
    let (_, recovered) = open();
    assert_eq!(recovered.executions, [*record("last")]);
}
